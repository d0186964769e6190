"""Chargers that only push messages: Boot once, then Heartbeat and MeterValues of ten samples in turn."""

import asyncio
import base64
import time
from dataclasses import dataclass, field

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

PHASES = ("L1", "L2", "L3")


@dataclass
class Result:
    """What one run of the load got: counted answers and the time each took, in seconds."""

    messages: int = 0
    errors: int = 0
    latencies: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0


def meter_values(energy_wh: int, instant: float) -> dict[str, object]:
    """One MeterValues.req of 1.6 with ten samples."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(instant)) + f".{int(instant * 1000) % 1000:03d}Z"
    samples: list[dict[str, str]] = [
        {"value": str(energy_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": "11040.5", "measurand": "Power.Active.Import", "unit": "W"},
        {"value": "61", "measurand": "SoC", "unit": "Percent", "location": "EV"},
        {"value": "31.5", "measurand": "Temperature", "unit": "Celsius"},
    ]
    for phase in PHASES:
        samples.append({"value": "16.02", "measurand": "Current.Import", "unit": "A", "phase": phase})
        samples.append({"value": "230.4", "measurand": "Voltage", "unit": "V", "phase": f"{phase}-N"})
    return {"connectorId": 1, "meterValue": [{"timestamp": stamp, "sampledValue": samples}]}


async def push(url: str, stations: list[tuple[str, str]], seconds: float) -> Result:
    """Let all stations push at once for that long, each one message at a time."""
    result = Result()
    ready = asyncio.Barrier(len(stations) + 1)
    tasks = [
        asyncio.create_task(_station(url, identity, password, seconds, ready, result))
        for identity, password in stations
    ]
    await ready.wait()
    begin = time.monotonic()
    await asyncio.gather(*tasks)
    result.elapsed_s = time.monotonic() - begin
    return result


async def _station(
    url: str, identity: str, password: str, seconds: float, ready: asyncio.Barrier, result: Result
) -> None:
    raw = bytes.fromhex(password)
    token = base64.b64encode(identity.encode() + b":" + raw).decode()
    async with connect(
        f"{url}/{identity}",
        subprotocols=[Subprotocol("ocpp1.6")],
        additional_headers={"Authorization": f"Basic {token}"},
        compression=None,
        ping_interval=None,
        open_timeout=60,
        proxy=None,
    ) as socket:
        boot = {"chargePointVendor": "Bench", "chargePointModel": "B1"}
        await socket.send(orjson.dumps([2, "boot", "BootNotification", boot]).decode())
        await socket.recv()
        await ready.wait()
        await _push(socket, seconds, result)


async def _push(socket: ClientConnection, seconds: float, result: Result) -> None:
    until = time.monotonic() + seconds
    number, energy = 0, 1000
    while time.monotonic() < until:
        number += 1
        energy += 5
        if number % 2:
            frame = [2, str(number), "Heartbeat", {}]
        else:
            frame = [2, str(number), "MeterValues", meter_values(energy, time.time())]
        begin = time.perf_counter()
        await socket.send(orjson.dumps(frame).decode())
        answer = await socket.recv()
        result.latencies.append(time.perf_counter() - begin)
        result.messages += 1
        result.errors += not str(answer).startswith("[3")
