"""Answers leave in order whether the server takes each at once or makes us wait."""

import asyncio
from types import SimpleNamespace
from typing import Any

from stations.ocpp.consumer import OUTBOX_MAX, StationConsumer


class Server:
    """Takes a message at once, or only when its gate is open."""

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.taken: list[str] = []

    async def send(self, message: Any) -> None:
        if self.gate is not None:
            await self.gate.wait()
            await asyncio.sleep(0)
        self.taken.append(message.get("text") or message["type"])


def talking(server: Server) -> StationConsumer:
    consumer = StationConsumer()
    consumer._send_message, consumer._outbox, consumer._writer = server.send, None, None
    consumer.station = SimpleNamespace(identity="SLOW-1")  # type: ignore[assignment]
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


def test_a_peer_that_reads_none_of_a_thousand_answers_is_cut_off_once() -> None:
    server = Server()
    asyncio.run(_speak_to_one_who_never_reads(server))
    assert server.taken == ["websocket.close"]


async def _speak_to_one_who_never_reads(server: Server) -> None:
    consumer = talking(server)
    server.gate = asyncio.Event()
    for text in map(str, range(OUTBOX_MAX + 3)):
        consumer._say(text)
    await asyncio.sleep(0)
    server.gate.set()
    await consumer._closing
    await asyncio.sleep(0)
