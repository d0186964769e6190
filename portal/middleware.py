"""One correlation id per request, from the edge to the worker's log lines; sessions that end in time."""

import re
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from core.ids import uuid7
from portal import accounts, logs, sign_ins

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


class SessionLimitMiddleware(MiddlewareMixin):
    """Account and admin pages end a session in time too; the dashboard and the API do so at their own doors.

    Where such a page shows codes that open the account, that is noted in the audit.
    """

    OWN_DOORS = ("/accounts/", "/admin/")
    SHOW_SECRETS = ("mfa_view_recovery_codes", "mfa_download_recovery_codes")

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> None:
        if request.path_info.startswith(self.OWN_DOORS) and SESSION_KEY in request.session:
            accounts.keep_alive(request)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        found = request.resolver_match
        if response.status_code == 200 and found and found.url_name in self.SHOW_SECRETS:
            sign_ins.note("recovery_codes.viewed", request.user, request)
        return response


def id_of_request(offered: str) -> str:
    """What the edge offered, or where that is no id one of our own."""
    return offered if ACCEPTABLE.fullmatch(offered) else str(uuid7())


def _enter(request: HttpRequest) -> str:
    request.request_id = id_of_request(request.headers.get(HEADER, ""))
    logs.request_id.set(request.request_id)
    return request.request_id
