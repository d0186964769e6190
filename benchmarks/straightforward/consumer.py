"""The consumer of the yardstick: the package's ChargePoint fed by Channels."""

import asyncio
import base64
import binascii
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils.dateparse import parse_datetime
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result

from benchmarks.straightforward.models import ChargePointRow, Frame, MeterValue


class Connection:
    """What the package calls a connection: a queue in, the consumer's send out."""

    def __init__(self, consumer: "Consumer") -> None:
        self.consumer = consumer
        self.queue: asyncio.Queue[str] = asyncio.Queue()

    async def recv(self) -> str:
        return await self.queue.get()

    async def send(self, text: str) -> None:
        await self.consumer.save_frame("out", text)
        await self.consumer.send(text_data=text)


class Handler(ChargePoint):
    """Answers the three messages, saving each value by itself."""

    row: ChargePointRow

    @on("BootNotification")
    async def boot(self, charge_point_vendor: str, **_: Any) -> Any:
        self.row.vendor = charge_point_vendor
        await self.seen()
        return call_result.BootNotification(
            current_time=datetime.now(UTC).isoformat(), interval=300, status="Accepted"
        )

    @on("Heartbeat")
    async def heartbeat(self) -> Any:
        await self.seen()
        return call_result.Heartbeat(current_time=datetime.now(UTC).isoformat())

    @on("MeterValues")
    async def meter_values(self, connector_id: int, meter_value: list[dict[str, Any]], **_: Any) -> Any:
        for one in meter_value:
            instant = parse_datetime(one["timestamp"])
            for sample in one["sampled_value"]:
                await database_sync_to_async(MeterValue.objects.create)(
                    charge_point=self.row,
                    connector=connector_id,
                    measurand=sample.get("measurand", ""),
                    phase=sample.get("phase", ""),
                    unit=sample.get("unit", ""),
                    value=Decimal(sample["value"]),
                    timestamp=instant,
                )
        await self.seen()
        return call_result.MeterValues()

    async def seen(self) -> None:
        self.row.last_seen = datetime.now(UTC)
        await database_sync_to_async(self.row.save)()


class Consumer(AsyncWebsocketConsumer):
    """Authenticates, then lets the package do the rest."""

    async def connect(self) -> None:
        identity = self.scope["path"].rsplit("/", 1)[-1]
        self.row = await database_sync_to_async(ChargePointRow.objects.filter(identity=identity).first)()
        if self.row is None or not await database_sync_to_async(self.row.knows)(self._password()):
            await self.close()
            return
        self.connection = Connection(self)
        handler = Handler(identity, self.connection)
        handler.row = self.row
        self.task = asyncio.create_task(handler.start())
        await self.accept(subprotocol="ocpp1.6")

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.save_frame("in", text_data or "")
        await self.connection.queue.put(text_data or "")

    async def disconnect(self, code: int) -> None:
        if hasattr(self, "task"):
            self.task.cancel()

    async def save_frame(self, direction: str, text: str) -> None:
        await database_sync_to_async(Frame.objects.create)(
            charge_point=self.row, direction=direction, text=text
        )

    def _password(self) -> str:
        header = dict(self.scope["headers"]).get(b"authorization", b"")
        try:
            return base64.b64decode(header.partition(b" ")[2]).partition(b":")[2].hex()
        except binascii.Error:
            return ""
