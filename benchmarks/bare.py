"""The yardstick below which nothing can go: a gateway that only frames, parses and commits by COPY.

No passwords, no schemas, no sessions: `websockets` and orjson on the event loop, one thread that writes what came
into one table by one COPY and commits it, and then the answers. `python -m benchmarks.bare PORT`.
"""

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial

import orjson
import psycopg
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

TABLE = "CREATE TABLE IF NOT EXISTS bare_frame (station text, at timestamptz DEFAULT now(), action text, frame text)"
Waiting = tuple[tuple[str, str, str], Callable[[], None]]
COPY = "COPY bare_frame (station, action, frame) FROM STDIN"


class Writer:
    """Rows of all sockets in one COPY and one commit."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=False)
        self._connection.execute(TABLE)
        self._connection.commit()
        self._rows: deque[Waiting] = deque()
        self._wake = threading.Event()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, daemon=True).start()

    def write(self, row: tuple[str, str, str], done: Callable[[], None]) -> None:
        self._rows.append((row, done))
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            taken = [self._rows.popleft() for _ in range(len(self._rows))]
            if not taken:
                continue
            with self._connection.cursor() as cursor, cursor.copy(COPY) as copy:
                for row, _ in taken:
                    copy.write_row(row)
            self._connection.commit()
            self._loop.call_soon_threadsafe(_tell, taken)


def _tell(stored: list[Waiting]) -> None:
    for _, done in stored:
        done()


async def main(port: int) -> None:
    writer = Writer(os.environ["DATABASE_URL"])

    async def talk(socket: ServerConnection) -> None:
        station = socket.request.path.rpartition("/")[2] if socket.request else ""
        async for text in socket:
            _, message_id, action, _ = orjson.loads(text)
            stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            writer.write((station, action, str(text)), partial(stored.set_result, None))
            await stored
            await socket.send(orjson.dumps([3, message_id, {}]).decode())

    async with serve(
        talk, "127.0.0.1", port, subprotocols=[Subprotocol("ocpp1.6")], compression=None, ping_interval=None
    ):
        await asyncio.Future()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
