"""Files for a browser to save: a long one is made while it is sent, so that it is never in memory as a whole."""

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from core.access import Actor
from core.errors import TooMany
from portal.pace import AtOnce
from portal.streaming import Leaving

LINES_AT_ONCE = 50
under_way = AtOnce(each=3, in_all=12)


def whole(content: bytes | str, *, content_type: str, filename: str) -> HttpResponse:
    """An answer that a browser saves under the name, that no cache keeps and nobody takes for another type."""
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def streamed(
    request: HttpRequest, lines: Iterator[str], *, content_type: str, filename: str, by: Actor
) -> StreamingHttpResponse:
    """An answer that a browser saves under the name; ``lines`` may read from the database as it goes.

    Raises :class:`core.errors.TooMany` where the caller, or all of them, have as many under way as there may be.
    """
    content: Any = _in_pieces(lines) if isinstance(request, ASGIRequest) else lines
    response = _bounded(content, content_type, by)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _bounded(content: Any, content_type: str, by: Actor) -> Leaving:
    caller = str(by.subject_id)
    if not under_way.enter(caller):
        raise TooMany
    return Leaving(content, lambda: under_way.leave(caller), content_type=content_type)


async def _in_pieces(lines: Iterator[str]) -> AsyncIterator[str]:
    while piece := await sync_to_async(lambda: "".join(islice(lines, LINES_AT_ONCE)))():
        yield piece


def archived(
    request: HttpRequest, pieces: Iterator[bytes], *, filename: str, by: Actor
) -> StreamingHttpResponse:
    """A zip that is made while it is sent, and kept by no cache. Raises as :func:`streamed` does."""
    content: Any = _one_by_one(pieces) if isinstance(request, ASGIRequest) else pieces
    response = _bounded(content, "application/zip", by)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await sync_to_async(lambda: next(pieces, None))()) is not None:
        yield piece
