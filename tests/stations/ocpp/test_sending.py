"""Answers leave in order whether the server takes each at once or makes us wait."""

import asyncio
from typing import Any

from stations.ocpp.consumer import StationConsumer


class Server:
    """Takes a message at once, or only when its gate is open."""

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.taken: list[str] = []

    async def send(self, message: Any) -> None:
        if self.gate is not None:
            await self.gate.wait()
            await asyncio.sleep(0)
        self.taken.append(message["text"])


def talking(server: Server) -> StationConsumer:
    consumer = StationConsumer()
    consumer._send_message, consumer._outbox, consumer._writer = server.send, None, None
    return consumer


def test_what_the_server_takes_at_once_needs_no_task() -> None:
    server = Server()
    talking(server)._say("a")
    assert server.taken == ["a"]


def test_a_slow_peer_gets_everything_in_order_and_at_once_again_later() -> None:
    server = Server()
    asyncio.run(_speak_to_a_slow_peer(server))
    assert server.taken == ["a", "b", "c", "d"]


async def _speak_to_a_slow_peer(server: Server) -> None:
    consumer = talking(server)
    server.gate = asyncio.Event()
    for text in "abc":
        consumer._say(text)
    await asyncio.sleep(0)
    assert server.taken == []

    server.gate.set()
    assert consumer._writer is not None
    await consumer._writer
    server.gate = None
    consumer._say("d")
