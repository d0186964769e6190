"""Small readings of 1.6 fields that several messages share."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.errors import Invalid
from stations.domain import metering, timestamps
from stations.domain.events import MeterSample, TokenShown
from stations.ocpp.context import Json, Socket

INT32_MAX = 2**31 - 1
CONNECTOR = 1
"""A 1.6 connector is an EVSE with this one connector."""


def text(parent: Json, name: str, limit: int = 255) -> str:
    """An optional text; empty equals absent (P087)."""
    return str(parent.get(name) or "")[:limit]


def evse_id(payload: Json) -> int:
    """The EVSE that a connectorId stands for; 0 is the station. Raises :class:`Invalid` beyond 32 bits."""
    number = payload["connectorId"]
    if not 0 <= number <= INT32_MAX:
        raise Invalid("connectorId is out of range.", field="connectorId")
    return int(number)


def request_id(payload: Json) -> int | None:
    """The number of our request; what cannot be one of ours counts as absent (P231)."""
    value = payload.get("requestId")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= INT32_MAX:
        return None
    return int(value)


def token(value: Any) -> TokenShown:
    """An idTag, which has no type."""
    return TokenShown(value=str(value)[:255])


def samples(socket: Socket, values: Sequence[Json], received_at: datetime) -> tuple[MeterSample, ...]:
    """The meter values of MeterValues and of transactionData."""
    return tuple(_sample(socket, value, received_at) for value in values)


def _sample(socket: Socket, value: Json, received_at: datetime) -> MeterSample:
    stamp = timestamps.stamp_or_receipt(
        value.get("timestamp"), received_at, lenient=True, field="meterValue.timestamp"
    )
    return metering.from_v16(
        value.get("sampledValue") or (),
        occurred_at=stamp.occurred_at,
        factor=socket.energy_factor,
        flags=stamp.flags,
    )
