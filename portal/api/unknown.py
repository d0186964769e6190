"""Addresses that do not exist, or exist with a slash at their end, told in the manners of the API."""

from typing import Any

from django.http import Http404
from django.urls import resolve
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.permissions import IsKnown
from portal.api.resource import Resource


class UnknownAddress(Resource):
    """404 for whoever has a key, 401 for everybody else; where only the last slash is missing, 308 to there."""

    permission_classes = (IsKnown,)
    schema = None

    def _limit_rate(self, request: Request) -> None:
        """Nothing is looked up, and a signed-in person may be without an organization."""

    def http_method_not_allowed(self, request: Request, *args: Any, **values: Any) -> Any:
        if request.path.endswith("/") or not _is_known(f"{request.path}/"):
            raise Http404
        return Response(status=308, headers={"Location": request.get_full_path(force_append_slash=True)})

    def options(self, request: Request, *args: Any, **values: Any) -> Any:
        raise Http404


def _is_known(path: str) -> bool:
    view = resolve(path).func
    return getattr(view, "view_class", None) is not UnknownAddress
