"""The portal as one ASGI application: pages and API by Django, chargers by the door under ``/ocpp/``."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.asgi import get_asgi_application

from portal import runtime

os.environ.setdefault("DJANGO_SETTINGS_MODULE", runtime.settings_module())
django = get_asgi_application()

from portal.api.known_answers import KnownAnswers  # noqa: E402  models exist only now
from stations.ocpp import handshake  # noqa: E402

pages = KnownAnswers(django)

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DOOR = b"ocpp"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await pages(scope, receive, send)
    elif scope["type"] == "websocket":
        await (handshake.application if _is_door(scope) else not_found)(scope, receive, send)


def _is_door(scope: Scope) -> bool:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    first = next((segment for segment in path.split(b"/") if segment), b"")
    return first == DOOR


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse an upgrade of any other path: 404, or 403 by a server that knows no other refusal."""
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"Not found\n"})
