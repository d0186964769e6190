"""Chargers that only push messages: Boot once, then Heartbeat and MeterValues of ten samples in turn."""

import asyncio
import base64
import time
from dataclasses import dataclass, field

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

PHASES = ("L1", "L2", "L3")
CONNECTING_AT_ONCE = 4  # the straightforward build hashes passwords slowly


@dataclass
class Result:
    """What one run of the load got: counted answers and the time each took, in seconds."""

    messages: int = 0
    errors: int = 0
    latencies: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0


class Load:
    """Stations that are connected and booted; a context manager."""

    def __init__(self, url: str, stations: list[tuple[str, str]]) -> None:
        self.url, self.stations = url, stations
        self.sockets: list[ClientConnection] = []

    async def __aenter__(self) -> "Load":
        turn = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self.sockets = await asyncio.gather(*(self._connect(turn, *station) for station in self.stations))
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.gather(*(socket.close() for socket in self.sockets))

    async def push(self, seconds: float, *, only_readings: bool = False) -> Result:
        """Let all stations push at once for that long, each one message at a time."""
        result = Result()
        begin = time.monotonic()
        await asyncio.gather(
            *(_push(socket, begin + seconds, result, only_readings) for socket in self.sockets)
        )
        result.elapsed_s = time.monotonic() - begin
        return result

    async def _connect(self, turn: asyncio.Semaphore, identity: str, password: str) -> ClientConnection:
        token = base64.b64encode(identity.encode() + b":" + bytes.fromhex(password)).decode()
        async with turn:
            socket = await connect(
                f"{self.url}/{identity}",
                subprotocols=[Subprotocol("ocpp1.6")],
                additional_headers={"Authorization": f"Basic {token}"},
                compression=None,
                ping_interval=None,
                open_timeout=60,
                proxy=None,
            )
            boot = {"chargePointVendor": "Bench", "chargePointModel": "B1"}
            await socket.send(orjson.dumps([2, "boot", "BootNotification", boot]).decode())
            await socket.recv()
        return socket


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


async def _push(socket: ClientConnection, until: float, result: Result, only_readings: bool) -> None:
    number, energy = 0, 1000
    while time.monotonic() < until:
        number += 1
        energy += 5
        if number % 2 and not only_readings:
            frame = [2, str(number), "Heartbeat", {}]
        else:
            frame = [2, str(number), "MeterValues", meter_values(energy, time.time())]
        begin = time.perf_counter()
        await socket.send(orjson.dumps(frame).decode())
        answer = await socket.recv()
        result.latencies.append(time.perf_counter() - begin)
        result.messages += 1
        result.errors += not str(answer).startswith("[3")
