"""What the streams of operators and of drivers share: events on the wire, and rights that are read anew."""

import time
import weakref
from collections.abc import Callable
from typing import Any

import orjson
from django.contrib.auth import get_user
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.functional import SimpleLazyObject

BEAT_S = 10.0
RIGHTS_S = 60.0


class Leaving(StreamingHttpResponse):
    """An answer that goes on and, told as a whole, cut off or never begun, gives the caller's place back."""

    def __init__(self, content: Any, leave: Callable[[], None], *, content_type: str) -> None:
        super().__init__(content, content_type=content_type)
        self._leave = weakref.finalize(self, leave)

    def close(self) -> None:
        super().close()
        self._leave()


def response(events: Any) -> StreamingHttpResponse:
    """An answer that goes on, passed through by proxies as it comes."""
    answer = StreamingHttpResponse(events, content_type="text/event-stream")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"
    return answer


def event(name: str, data: Any, number: int | None = None) -> bytes:
    """One event of ``text/event-stream``."""
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


def beat() -> bytes:
    """That the stream lives, with our time in milliseconds."""
    return event("beat", int(time.time() * 1000))


def look_again(request: HttpRequest) -> None:
    """Signing out, here or elsewhere, ends streams too; an open stream is no activity of the person."""
    request.passive = True  # type: ignore[attr-defined]  # ours, read by `accounts.keep_alive`
    request.session = type(request.session)(request.session.session_key)
    request.user = SimpleLazyObject(lambda: get_user(request))  # type: ignore[assignment]  # as Django's middleware does


def give_back_connections() -> None:
    """Let go of the thread's connections to the database, since a stream lasts long."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
