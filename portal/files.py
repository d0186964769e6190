"""Files for stations and from them, on the origin ``FILES_URL``: by unguessable addresses, without any session.

Whoever has the address has the file, so none is ever shown again or logged; see security.md W-19 and W-22.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.http import http_date, parse_http_date_safe
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from core import clock
from core.errors import Conflict, DomainError, Invalid, NoRoom, NotFound
from portal import file_links
from portal.pace import Pace
from stations.domain.byte_ranges import Part, Unsatisfiable, part_of
from stations.models import FirmwareImage, LogFile
from stations.services import files, firmware_images, log_files

FORM_BYTES = 65_536
UPLOAD_STATUS: Mapping[type[DomainError], int] = {
    files.TooLarge: 413,
    NoRoom: 507,
    NotFound: 404,
    Conflict: 409,
    Invalid: 400,
}
SANDBOX = "default-src 'none'; sandbox"
A = TypeVar("A", bound=HttpResponseBase)
pace = Pace(per_minute=120)
arriving = Pace(per_minute=30)


@csrf_exempt
@require_safe
def firmware(request: HttpRequest, token: str, filename: str) -> HttpResponseBase:
    """The image, or the part of it that ``Range`` names."""
    wait_s = pace.wait_s(token)
    if wait_s:
        return plain(429, "Too many requests for this file.", {"Retry-After": str(wait_s)})
    try:
        image = firmware_images.open_link(token, filename)
    except NotFound as error:
        return plain(404, error.message)
    except Conflict as error:
        return plain(409, error.message)
    return _sent(request, image)


@csrf_exempt
@require_http_methods(["PUT", "POST"])
def log(request: HttpRequest, token: str, name: str = "") -> HttpResponseBase:
    """A station's upload: the body itself, or the first file of a form. The target takes one."""
    wait_s = arriving.wait_s(token)
    if wait_s:
        return plain(429, "Too many uploads.", {"Retry-After": str(wait_s)})
    try:
        log_files.find(token, clock.now())
        if _announced_bytes(request) > settings.LOG_FILE_MAX_BYTES + FORM_BYTES:
            raise files.TooLarge(settings.LOG_FILE_MAX_BYTES)
        source, named = _uploaded(request)
        log_files.receive(token, name.rstrip("/") or named, source)
    except DomainError as error:
        status = next(code for kind, code in UPLOAD_STATUS.items() if isinstance(error, kind))
        return plain(status, error.message)
    return plain(201, "The file was received.")


@require_safe
def download(request: HttpRequest, signed: str) -> HttpResponseBase:
    """A log for the person who was just sent here (`portal.file_links`)."""
    file_id = file_links.opened(signed)
    found = LogFile.objects.filter(pk=file_id, removed_at=None).exclude(received_at=None).first()
    if found is None:
        return plain(404, "There is no such file, or its address is too old. Open it again from its page.")
    return log_content(request, found)


def log_content(request: HttpRequest, found: LogFile) -> HttpResponseBase:
    """The file as an attachment, for who was let through before."""
    headers = {"Content-Disposition": attachment(found.name)}
    return streamed(request, found.file, Part(0, found.size_bytes or 0, whole=True), headers)


def plain(status: int, sentence: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """An answer for a machine: one line of text."""
    answer = HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8")
    return _guarded(answer, headers or {})


def streamed(request: HttpRequest, name: str, part: Part, headers: dict[str, str]) -> HttpResponseBase:
    """A stored file or a part of it, a small piece at a time."""
    status = 200 if part.whole else 206
    headers = {**headers, "Content-Length": str(part.length)}
    if request.method == "HEAD":
        return _guarded(HttpResponse(status=status, content_type="application/octet-stream"), headers)
    pieces = files.pieces(name, part.start, part.length)
    content: Any = _one_by_one(pieces) if isinstance(request, ASGIRequest) else pieces
    answer = StreamingHttpResponse(content, status=status, content_type="application/octet-stream")
    return _guarded(answer, headers)


def attachment(filename: str) -> str:
    """The header that makes a browser save it; the name was checked when it came."""
    return f'attachment; filename="{filename}"'


def _announced_bytes(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() else 0


def _uploaded(request: HttpRequest) -> tuple[Any, str]:
    """What is to be stored, and the name that came with it."""
    if request.method == "POST" and request.content_type == "multipart/form-data":
        try:
            file = next(iter(request.FILES.values()), None)
        except (MultiPartParserError, SuspiciousOperation) as error:
            raise Invalid("The form cannot be read.") from error
        if file is None:
            raise Invalid("The form holds no file.")
        return file, file.name or ""
    return request, ""


def _sent(request: HttpRequest, image: FirmwareImage) -> HttpResponseBase:
    assert image.size_bytes is not None
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{image.sha256}"',
        "Last-Modified": http_date(image.created_at.timestamp()),
        "Content-Disposition": attachment(image.filename),
    }
    try:
        wanted = request.headers.get("Range", "") if _is_of_this(request, image) else ""
        part = part_of(wanted, image.size_bytes)
    except Unsatisfiable:
        return plain(
            416,
            "The file is shorter than that.",
            {**headers, "Content-Range": f"bytes */{image.size_bytes}"},
        )
    if not part.whole:
        headers["Content-Range"] = part.told(image.size_bytes)
    return streamed(request, image.file, part, headers)


def _is_of_this(request: HttpRequest, image: FirmwareImage) -> bool:
    """Whether the part that is asked for belongs to what the client has of the file (``If-Range``)."""
    condition = request.headers.get("If-Range", "").strip()
    if not condition or condition == f'"{image.sha256}"':
        return True
    if condition.startswith(('"', "W/")):
        return False
    return parse_http_date_safe(condition) == int(image.created_at.timestamp())


def _guarded(answer: A, headers: dict[str, str]) -> A:
    answer.headers["Content-Security-Policy"] = SANDBOX
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    for name, value in headers.items():
        answer.headers[name] = value
    return answer


async def _one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece read by a thread, so that neither a slow disk nor a slow station holds the loop.

    A station that hangs up cancels what waits here, while its thread still reads: the file is closed after it.
    """
    reading: asyncio.Future[bytes] | None = None
    try:
        while True:
            reading = asyncio.ensure_future(sync_to_async(next, thread_sensitive=False)(pieces, b""))
            piece = await asyncio.shield(reading)
            if not piece:
                return
            yield piece
    finally:
        if reading is not None and not reading.done():
            await asyncio.wait([reading])
        await sync_to_async(pieces.close, thread_sensitive=False)()  # type: ignore[attr-defined]
