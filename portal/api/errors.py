"""Errors of the API as RFC 9457 problem details; the one table from domain errors to statuses."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from core.errors import (
    Busy,
    Conflict,
    DomainError,
    Invalid,
    NoRoom,
    NotFound,
    NotPermitted,
    NotSupported,
    Passing,
    TooMany,
)
from portal.logs import request_id

logger = logging.getLogger(__name__)

STATUS: Mapping[type[DomainError], int] = {
    Invalid: status.HTTP_400_BAD_REQUEST,
    NotPermitted: status.HTTP_403_FORBIDDEN,
    NotFound: status.HTTP_404_NOT_FOUND,
    Conflict: status.HTTP_409_CONFLICT,
    NotSupported: status.HTTP_409_CONFLICT,
    TooMany: status.HTTP_429_TOO_MANY_REQUESTS,
    Busy: status.HTTP_503_SERVICE_UNAVAILABLE,
    NoRoom: status.HTTP_507_INSUFFICIENT_STORAGE,
}
TITLES: Mapping[int, str] = {
    400: "The request is not valid",
    401: "Authentication is needed",
    403: "Not permitted",
    404: "Not found",
    405: "Method not allowed",
    406: "No acceptable format",
    409: "Conflict with the present state",
    410: "No longer kept",
    412: "The object was changed meanwhile",
    413: "The body is too large",
    415: "Unsupported media type",
    429: "Too many requests",
    500: "Something broke on our side",
    503: "Not now",
    507: "No room",
}


class PreconditionFailed(exceptions.APIException):
    """``If-Match`` names a version that is no longer the present one."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "The object was changed meanwhile. Read it again and repeat the change."
    default_code = "precondition_failed"


class Gone(exceptions.APIException):
    """What is asked for was there once and is not kept any more."""

    status_code = status.HTTP_410_GONE
    default_code = "gone"


class TooLarge(exceptions.APIException):
    """The body is beyond ``DATA_UPLOAD_MAX_MEMORY_SIZE``."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "A body has at most 1 MiB."
    default_code = "too_large"


class Conflicting(exceptions.APIException):
    """A conflict found by the API itself, such as an idempotency key with another body."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


PROBLEM = "application/problem+json"
TRY_AGAIN = frozenset({status.HTTP_401_UNAUTHORIZED, status.HTTP_429_TOO_MANY_REQUESTS})
"""Refusals that say nothing of the request itself: the same one may be answered otherwise later."""


def refusal(error: Exception, path: str) -> Response | None:
    """The answer to a request that is refused for good; ``None`` where it may be tried again as it is."""
    if isinstance(error, Passing):
        return None
    if isinstance(error, DomainError):
        body = _domain_problem(error)
    elif (known := _translated(error)) is not None:
        body = _api_problem(known)
    else:
        return None
    lasting = body["status"] < status.HTTP_500_INTERNAL_SERVER_ERROR and body["status"] not in TRY_AGAIN
    return _response(body, path) if lasting else None


def problem(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler: every error becomes a problem document, unknown ones are logged here."""
    set_rollback()
    path = context["request"].path
    if isinstance(error, OperationalError):
        logger.warning("api.database_busy", exc_info=error, extra={"path": path})
        error = Busy()
    if isinstance(error, DomainError):
        return _response(_domain_problem(error), path, _headers(error))
    known = _translated(error)
    if known is None:
        return _response(_unknown_problem(error, context), path)
    return _response(_api_problem(known), path, _headers(known))


def _translated(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    if isinstance(error, SuspiciousOperation):
        return exceptions.ParseError()
    return None


def _unknown_problem(error: Exception, context: Mapping[str, Any]) -> dict[str, Any]:
    request = context["request"]._request
    got_request_exception.send(sender=None, request=request)
    logger.error("api.failed", exc_info=error, extra={"method": request.method, "path": request.path})
    return {"status": 500, "detail": "It was logged under the request id.", "code": "error"}


def _domain_problem(error: DomainError) -> dict[str, Any]:
    code = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    body: dict[str, Any] = {"status": code, "detail": error.message, "code": error.code}
    problems = getattr(error, "problems", ())
    if problems:
        body["errors"] = [
            {"pointer": one.pointer, "code": error.code, "detail": one.message} for one in problems
        ]
    elif error.field:
        pointer = "/" + error.field.replace(".", "/")
        body["errors"] = [{"pointer": pointer, "code": error.code, "detail": error.message}]
    return body


def _api_problem(error: exceptions.APIException) -> dict[str, Any]:
    body: dict[str, Any] = {"status": error.status_code}
    if isinstance(error, exceptions.ValidationError):
        body["errors"] = list(_flatten(error.detail, ""))
        first = body["errors"][0] if body["errors"] else None
        body["detail"] = f"{first['pointer'] or '/'}: {first['detail']}" if first else TITLES[400]
        body["code"] = "invalid"
    else:
        body["detail"] = str(error.detail)
        body["code"] = getattr(error.detail, "code", error.default_code)
    return body


def _flatten(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            yield from _flatten(inner, pointer if key == "non_field_errors" else f"{pointer}/{key}")
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _flatten(inner, f"{pointer}/{index}" if nested else pointer)
    else:
        yield {"pointer": pointer, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}


def _headers(error: Exception) -> dict[str, str]:
    headers = {}
    if isinstance(error, Busy | TooMany | Passing):
        headers["Retry-After"] = str(error.retry_after_s)
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(max(1, round(wait)))
    return headers


def _response(body: dict[str, Any], path: str, headers: dict[str, str] | None = None) -> Response:
    code = body["status"]
    document = {
        "type": "about:blank",
        "title": TITLES.get(code, "Error"),
        "instance": path,
        "request_id": request_id.get(),
        **body,
    }
    return Response(document, status=code, headers=headers, content_type=PROBLEM)
