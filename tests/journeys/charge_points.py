"""Charge points of the `ocpp` package itself, driven through one charging session in each version."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from ocpp import v16, v21, v201
from ocpp.v16 import call as call16
from ocpp.v21 import call as call21
from ocpp.v201 import call as call201
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.wire.client import SUBPROTOCOL, basic, wire_password

METER_START_WH = 1_234_567
WH_PER_MINUTE = 183
MINUTES = 20


def text(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


class Journey:
    """Twenty minutes of one station's life; a cut connection is re-made and the unanswered message repeated."""

    version: ClassVar[str]
    library: ClassVar[Any]

    def __init__(self, url: str, identity: str, password: str, token: str) -> None:
        self.url, self.identity, self.token = url, identity, token
        self.header = basic(identity, wire_password(password, self.version))
        self.began_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=MINUTES + 1)
        self.socket: ClientConnection | None = None
        self.listener: asyncio.Task[None] | None = None
        self.repeats = 0

    async def travel(self, at_minute: Callable[[int], None]) -> None:
        """Boot, authorize, charge and stop; ``at_minute`` is called in the middle of each minute's message."""
        await self.connect()
        await self.begin()
        for minute in range(1, MINUTES + 1):
            self.interrupt = lambda minute=minute: at_minute(minute)
            await self.measure(minute)
        self.interrupt = lambda: None
        await self.end()
        await self.close()

    interrupt: Callable[[], None] = staticmethod(lambda: None)

    async def connect(self) -> None:
        deadline = asyncio.get_running_loop().time() + 60
        while True:
            try:
                self.socket = await connect(
                    f"{self.url}/{self.identity}",
                    subprotocols=[Subprotocol(SUBPROTOCOL[self.version])],
                    additional_headers={"Authorization": self.header},
                    proxy=None,
                )
            except (OSError, EOFError, ConnectionClosed):
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.2)
            else:
                break
        self.point = self.library(self.identity, self.socket, response_timeout=10)
        self.listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.point.start()

    async def close(self) -> None:
        assert self.socket is not None
        assert self.listener is not None
        await self.socket.close()
        await self.listener

    async def say(self, payload: Any) -> Any:
        """Send one message until it is answered, over as many connections as that takes."""
        while True:
            asking = asyncio.ensure_future(self.point.call(payload, suppress=False))
            assert self.listener is not None
            await asyncio.sleep(0)
            self.interrupt()
            await asyncio.wait({asking, self.listener}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done() and asking.exception() is None:
                return asking.result()
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await asking
            self.repeats += 1
            self.interrupt = lambda: None
            await self.connect()

    def at(self, minute: int) -> datetime:
        return self.began_at + timedelta(minutes=minute)

    async def begin(self) -> None: ...

    async def measure(self, minute: int) -> None: ...

    async def end(self) -> None: ...


class Journey16(Journey):
    version = "1.6"
    library = v16.ChargePoint

    async def begin(self) -> None:
        boot = await self.say(
            call16.BootNotification(charge_point_model="Library", charge_point_vendor="Open Charge")
        )
        assert boot.status == "Accepted"
        answer = await self.say(call16.Authorize(id_tag=self.token))
        assert answer.id_tag_info["status"] == "Accepted"
        started = await self.say(
            call16.StartTransaction(
                connector_id=1, id_tag=self.token, meter_start=METER_START_WH, timestamp=text(self.began_at)
            )
        )
        assert started.id_tag_info["status"] == "Accepted"
        self.number = started.transaction_id

    async def measure(self, minute: int) -> None:
        energy = METER_START_WH + minute * WH_PER_MINUTE
        sample = {"value": str(energy), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
        await self.say(
            call16.MeterValues(
                connector_id=1,
                transaction_id=self.number,
                meter_value=[{"timestamp": text(self.at(minute)), "sampled_value": [sample]}],
            )
        )

    async def end(self) -> None:
        await self.say(
            call16.StopTransaction(
                transaction_id=self.number,
                meter_stop=METER_START_WH + MINUTES * WH_PER_MINUTE,
                timestamp=text(self.at(MINUTES) + timedelta(seconds=30)),
                id_tag=self.token,
            )
        )


class Journey201(Journey):
    version = "2.0.1"
    library = v201.ChargePoint
    call: ClassVar[Any] = call201

    async def begin(self) -> None:
        boot = await self.say(
            self.call.BootNotification(
                charging_station={"model": "Library", "vendor_name": "Open Charge"}, reason="PowerUp"
            )
        )
        assert boot.status == "Accepted"
        token = {"id_token": self.token, "type": "ISO14443"}
        answer = await self.say(self.call.Authorize(id_token=token))
        assert answer.id_token_info["status"] == "Accepted"
        self.seq_no = 0
        await self.event("Started", "Authorized", 0, evse={"id": 1, "connector_id": 1}, id_token=token)

    async def measure(self, minute: int) -> None:
        await self.event("Updated", "MeterValuePeriodic", minute)

    async def end(self) -> None:
        await self.event("Ended", "StopAuthorized", MINUTES, stopped_reason="Local")

    async def event(
        self, kind: str, trigger: str, minute: int, *, stopped_reason: str | None = None, **details: Any
    ) -> None:
        context = {"Started": "Transaction.Begin", "Ended": "Transaction.End"}.get(kind, "Sample.Periodic")
        info = {"transaction_id": f"tx-{self.identity}"[:36], "charging_state": "Charging"}
        if stopped_reason:
            info["stopped_reason"] = stopped_reason
        energy = {
            "value": METER_START_WH + minute * WH_PER_MINUTE,
            "measurand": "Energy.Active.Import.Register",
            "context": context,
        }
        later = timedelta(seconds=30 if kind == "Ended" else 0)
        stamp = text(self.at(minute) + later)
        await self.say(
            self.call.TransactionEvent(
                event_type=kind,
                timestamp=stamp,
                trigger_reason=trigger,
                seq_no=self.seq_no,
                transaction_info=info,
                meter_value=[{"timestamp": stamp, "sampled_value": [energy]}],
                **details,
            )
        )
        self.seq_no += 1


class Journey21(Journey201):
    version = "2.1"
    library = v21.ChargePoint
    call = call21


JOURNEYS: dict[str, type[Journey]] = {kind.version: kind for kind in (Journey16, Journey201, Journey21)}
