"""One correlation id per request, from the edge to the worker's log lines."""

import re
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from core.ids import uuid7
from portal import logs

HEADER = "X-Request-Id"
ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}")

Response = HttpResponseBase | Awaitable[HttpResponseBase]


class RequestIdMiddleware:
    """Takes the edge's ``X-Request-Id`` or makes one; sets ``request.request_id`` and echoes the header."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Response]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Response:
        if iscoroutinefunction(self):
            return self._later(request)
        with_id = _enter(request)
        response = self.get_response(request)
        response.headers[HEADER] = with_id
        return response

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        with_id = _enter(request)
        response = await self.get_response(request)
        response.headers[HEADER] = with_id
        return response


def _enter(request: HttpRequest) -> str:
    offered = request.headers.get(HEADER, "")
    request.request_id = offered if ACCEPTABLE.fullmatch(offered) else str(uuid7())
    logs.request_id.set(request.request_id)
    return request.request_id
