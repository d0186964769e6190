"""Addresses that do not exist, told in the manners of the API."""

from typing import Any

from django.http import Http404
from rest_framework.request import Request

from portal.api.permissions import IsKnown
from portal.api.resource import Resource


class UnknownAddress(Resource):
    """404 for whoever has a key, 401 for everybody else."""

    permission_classes = (IsKnown,)
    schema = None

    def _limit_rate(self, request: Request) -> None:
        """Nothing is looked up, and a signed-in person may be without an organization."""

    def http_method_not_allowed(self, request: Request, *args: Any, **values: Any) -> Any:
        raise Http404

    def options(self, request: Request, *args: Any, **values: Any) -> Any:
        raise Http404
