"""A tiny ASGI application under the server's tests, and the process that serves it.

The first path segment says what it does; ``GET /seen`` lists what its WebSockets were told at their end.
"""

import asyncio
import json
import logging
import sys
from typing import Any

from portal.server import run

Scope = dict[str, Any]

seen: list[dict[str, Any]] = []
released = asyncio.Event()


async def application(scope: Scope, receive: Any, send: Any) -> None:
    name = scope["path"].strip("/").split("/")[0] or "hello"
    await (HTTP if scope["type"] == "http" else SOCKETS)[name](scope, receive, send)


# -- WebSockets --------------------------------------------------------------------------------------------


async def echo(scope: Scope, receive: Any, send: Any) -> None:
    """Says back what it is sent; ``big:N`` is answered with N bytes."""
    await accept(scope, receive, send)
    while (event := await receive())["type"] != "websocket.disconnect":
        if event["type"] == "chargeyard.drain":
            await send({"type": "websocket.close", "code": event["code"], "reason": event["reason"]})
        else:
            await send({"type": "websocket.send", **answer(event)})
    seen.append(event)


async def accept(scope: Scope, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    wishes = dict(pair.split("=") for pair in scope["query_string"].decode().split("&") if "=" in pair)
    await send(
        {
            "type": "websocket.accept",
            "subprotocol": next(iter(scope["subprotocols"]), None),
            "headers": [(b"x-extra", b"yes"), (b"server", b"banner")],
            "chargeyard.ping_interval": float(wishes.get("ping", 0)),
            "chargeyard.pong_required": wishes.get("pong", "1") == "1",
        }
    )


def answer(event: dict[str, Any]) -> dict[str, Any]:
    if event.get("text") is None:
        return {"bytes": event["bytes"]}
    text: str = event["text"]
    if text.startswith("big:"):
        return {"text": "b" * int(text[4:])}
    return {"text": text if len(text) < 1000 else f"{event['chargeyard.size']} bytes"}


async def scope_teller(scope: Scope, receive: Any, send: Any) -> None:
    await accept(scope, receive, send)
    text = json.dumps(
        {
            "raw_path": scope["raw_path"].decode("latin-1"),
            "query": scope["query_string"].decode("latin-1"),
            "headers": [
                [part.decode("latin-1") for part in pair] for pair in scope["chargeyard.header_list"]
            ],
            "subprotocols": scope["subprotocols"],
            "client": scope["client"],
            "scheme": scope["scheme"],
        }
    )
    await send({"type": "websocket.send", "text": text})
    await receive()


async def refuse(scope: Scope, receive: Any, send: Any) -> None:
    """Refuses with the status of the second path segment."""
    await receive()
    headers = [(b"WWW-Authenticate", b'Basic realm="ocpp"'), (b"Retry-After", b"7"), (b"server", b"banner")]
    status = int(scope["path"].split("/")[2])
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"go ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"away"})


async def close_first(scope: Scope, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close"})


async def fail_first(scope: Scope, receive: Any, send: Any) -> None:
    raise LookupError("before accept")


async def fail_later(scope: Scope, receive: Any, send: Any) -> None:
    await accept(scope, receive, send)
    await receive()
    raise LookupError("after accept")


async def undecided(scope: Scope, receive: Any, send: Any) -> None:
    await receive()
    await asyncio.sleep(60)


async def stuck(scope: Scope, receive: Any, send: Any) -> None:
    """Reads nothing until released, then counts what it got until the word ``end``."""
    await accept(scope, receive, send)
    await released.wait()
    count = 0
    while (await receive()).get("text") != "end":
        count += 1
    await send({"type": "websocket.send", "text": str(count)})
    await receive()


async def stubborn(scope: Scope, receive: Any, send: Any) -> None:
    """Goes on as if there was no drain."""
    await accept(scope, receive, send)
    while (await receive())["type"] != "websocket.disconnect":
        pass


# -- plain requests ----------------------------------------------------------------------------------------


async def hello(scope: Scope, receive: Any, send: Any) -> None:
    await reply(send, json.dumps({"client": scope["client"], "scheme": scope["scheme"]}).encode())


async def list_seen(scope: Scope, receive: Any, send: Any) -> None:
    await reply(send, json.dumps(seen).encode())


async def release(scope: Scope, receive: Any, send: Any) -> None:
    released.set()
    await reply(send, b"released")


async def slow(scope: Scope, receive: Any, send: Any) -> None:
    await asyncio.sleep(0.7)
    await reply(send, b"done")


async def upload(scope: Scope, receive: Any, send: Any) -> None:
    """Says how long the body was and its longest piece."""
    sizes = []
    while True:
        event = await receive()
        sizes.append(len(event["body"]))
        if not event["more_body"]:
            break
    await reply(send, f"{sum(sizes)} {max(sizes)}".encode())


async def fail(scope: Scope, receive: Any, send: Any) -> None:
    raise LookupError("in a request")


async def stream(scope: Scope, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


async def download(scope: Scope, receive: Any, send: Any) -> None:
    """64 MiB in small pieces, as fast as ``send`` lets it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1024):
        await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def reply(send: Any, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


SOCKETS = {
    "echo": echo,
    "scope": scope_teller,
    "refuse": refuse,
    "close-first": close_first,
    "fail-first": fail_first,
    "fail-later": fail_later,
    "undecided": undecided,
    "stuck": stuck,
    "stubborn": stubborn,
}
HTTP = {
    "hello": hello,
    "seen": list_seen,
    "release": release,
    "slow": slow,
    "fail": fail,
    "upload": upload,
    "stream": stream,
    "download": download,
}


def main() -> None:
    """Options of the server as JSON on the command line; the address goes to standard output."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    options = json.loads(sys.argv[1])
    run(application, on_ready=lambda addresses: print(*addresses, flush=True), **options)  # noqa: T201


if __name__ == "__main__":
    main()
