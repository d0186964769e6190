"""Files for stations and from them, on the origin ``FILES_URL``: by unguessable addresses, without any session.

Whoever has the address has the file, so none is ever shown again or logged; see security.md W-19 and W-22.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import http_date, parse_http_date_safe
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from core.errors import Conflict, NotFound
from portal.pace import Pace
from stations.domain.byte_ranges import Part, Unsatisfiable, part_of
from stations.models import FirmwareImage
from stations.services import files, firmware_images

SANDBOX = "default-src 'none'; sandbox"
pace = Pace(per_minute=120)


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


def _guarded(answer: HttpResponseBase, headers: dict[str, str]) -> Any:
    answer.headers["Content-Security-Policy"] = SANDBOX
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    for name, value in headers.items():
        answer.headers[name] = value
    return answer


async def _one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece read by a thread, so that neither a slow disk nor a slow station holds the loop."""
    reading = sync_to_async(lambda: next(pieces, b""), thread_sensitive=False)
    try:
        while piece := await reading():
            yield piece
    finally:
        await sync_to_async(pieces.close, thread_sensitive=False)()  # type: ignore[attr-defined]
