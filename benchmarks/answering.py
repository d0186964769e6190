"""A station as a process of its own: boots, says so on standard output, answers every CALL with Accepted.

    python -m benchmarks.answering URL IDENTITY      its password comes on standard input

In a process of its own, so that a figure holds what the portal takes and not what the load takes from it.
"""

import asyncio
import sys

import orjson

from benchmarks.load import Load


async def main(url: str, identity: str, password: str) -> None:
    async with Load(url, [(identity, password)]) as load:
        print("booted", flush=True)
        (socket,) = load.sockets
        async for text in socket:
            frame = orjson.loads(text)
            if frame[0] == 2:
                await socket.send(orjson.dumps([3, frame[1], {"status": "Accepted"}]).decode())


if __name__ == "__main__":
    url, identity = sys.argv[1:3]
    asyncio.run(main(url, identity, sys.stdin.readline().strip()))
