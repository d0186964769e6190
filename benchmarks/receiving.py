"""Takes webhooks in a process of its own and remembers how often each id came to each path.

`python -m benchmarks.receiving PORT COUNT`: prints when the last of COUNT came, and the counts, as JSON.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter

PATIENCE_S = 120
ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Received:
    """What came, until all of it did or nothing came for a while."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.came: dict[str, Counter[str]] = {}
        self.distinct = 0
        self.last = time.time()
        self.whole = asyncio.Event()

    def note(self, path: str, event_id: str) -> None:
        counts = self.came.setdefault(path, Counter())
        self.distinct += int(event_id not in counts)
        counts[event_id] += 1
        self.last = time.time()
        if self.distinct >= self.wanted:
            self.whole.set()

    async def all_there(self) -> None:
        """Until all came, or nothing for two minutes."""
        while not self.whole.is_set() and time.time() - self.last < PATIENCE_S:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.whole.wait(), 1)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        await reader.readexactly(int(headers["content-length"]))
        self.note(head[0].split(" ")[1], headers["webhook-id"])
        writer.write(ANSWER)
        await writer.drain()
        writer.close()


async def main(port: int, wanted: int, quiet_s: float = 20.0) -> None:
    received = Received(wanted)
    async with await asyncio.start_server(received.take, "127.0.0.1", port):
        print("listening", flush=True)
        await received.all_there()
        ended = received.last
        await asyncio.sleep(quiet_s if wanted > 1000 else 2)  # what comes twice may come late
    told = {path: [len(counts), counts.total()] for path, counts in sorted(received.came.items())}
    print(json.dumps({"ended": ended, "came": told}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
