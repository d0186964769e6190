"""Asks one address of the API again and again over several connections, in a process of its own.

`python -m benchmarks.asking PORT ADDRESS SECONDS`, `secret`, `connections` and `known` as JSON on standard input;
prints how many answers came in how many seconds, and their percentiles.
"""

import asyncio
import json
import sys
import time
from typing import Any


async def ask(port: int, request: bytes, until: float, wanted: bytes) -> list[float]:
    """Seconds of each answer over one kept connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    while time.monotonic() < until:
        begin = time.perf_counter()
        writer.write(request)
        status, _ = await answer(reader)
        times.append(time.perf_counter() - begin)
        if status != wanted:
            raise SystemExit(f"The API answered {status.decode()}.")
    writer.close()
    return times


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    elif length := int(headers.get("content-length", 0)):
        await reader.readexactly(length)
    return head[0].split(" ")[1].encode(), headers


async def main(port: int, address: str, seconds: int, settings: dict[str, Any]) -> None:
    lines = [f"GET {address} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {settings['secret']}"]
    lines.append("Accept: application/json")
    plain = "\r\n".join([*lines, "", ""]).encode()
    tag = await first(port, plain)
    request = "\r\n".join([*lines, f"If-None-Match: {tag}", "", ""]).encode() if settings["known"] else plain
    begin = time.monotonic()
    wanted = b"304" if settings["known"] else b"200"
    asking = [ask(port, request, begin + seconds, wanted) for _ in range(settings["connections"])]
    times = sorted(one for some in await asyncio.gather(*asking) for one in some)
    elapsed = time.monotonic() - begin
    told = {"count": len(times), "seconds": elapsed}
    print(json.dumps({**told, "p50": times[len(times) // 2], "p99": times[int(len(times) * 0.99)]}))


async def first(port: int, request: bytes) -> str:
    """The tag of the answer; the first ones also warm what is made once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    headers: dict[str, str] = {}
    for _ in range(20):
        writer.write(request)
        _, headers = await answer(reader)
    writer.close()
    return headers["etag"]


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), json.load(sys.stdin)))
