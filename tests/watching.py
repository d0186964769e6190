"""django-zeal in every request of the suite that reads: what is loaded row by row ends in an error."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from zeal import zeal_context

READS = ("GET", "HEAD")


def watch_reads(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware. What writes may read a row again under its lock, and is left alone."""

    def watched(request: HttpRequest) -> HttpResponse:
        if request.method not in READS:
            return get_response(request)
        with zeal_context():
            return get_response(request)

    return watched
