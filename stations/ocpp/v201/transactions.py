"""MeterValues and TransactionEvent (2.0.1 E01 to E06, J01, J02)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from stations.domain import metering, timestamps
from stations.domain.events import MeterSample, ReadingsReported, TransactionEventReported
from stations.ocpp.context import Json, Socket, repairs_of
from stations.ocpp.routing import Collected, Decided
from stations.ocpp.v201 import fields
from stations.ocpp.v201.authorization import token_info
from stations.services import transactions


def decode_meter_values(socket: Socket, payload: Json, received_at: datetime) -> Sequence[ReadingsReported]:
    return [
        ReadingsReported(
            evse_id=fields.whole(payload["evseId"], "evseId"),
            samples=_samples(socket, payload, received_at),
            received_at=received_at,
        )
    ]


def nothing(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """A report of figures is answered with nothing but that it was stored."""
    return {}


def pick_route(payload: Json) -> Collected | Decided:
    """The hot path for what goes on in a transaction; beginnings, ends and tokens are decided one by one."""
    if payload.get("eventType") == "Updated" and "idToken" not in payload:
        return UPDATE
    return DECISION


def decode_event(socket: Socket, payload: Json, received_at: datetime) -> Sequence[TransactionEventReported]:
    return [event_of(socket, payload, received_at)]


def transaction_event(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """Token information is answered if, and only if, a token was shown (P160)."""
    event = event_of(socket, payload, received_at)
    decision = transactions.apply_event(socket, event).decision
    return {"idTokenInfo": token_info(decision)} if decision is not None else {}


def event_of(socket: Socket, payload: Json, received_at: datetime) -> TransactionEventReported:
    info = payload["transactionInfo"]
    evse_id, connector_id = fields.place(payload)
    cable = payload.get("cableMaxCurrent")
    return TransactionEventReported(
        kind=fields.text(payload, "eventType", 8),
        reference=fields.reference(str(info["transactionId"])),
        seq_no=fields.whole(payload["seqNo"], "seqNo"),
        trigger_reason=fields.text(payload, "triggerReason", 40),
        stamp=timestamps.stamp(payload["timestamp"], received_at),
        offline=bool(payload.get("offline", False)),
        evse_id=evse_id,
        connector_id=connector_id,
        token=fields.token(payload),
        charging_state=fields.text(info, "chargingState", 20),
        stopped_reason=fields.text(info, "stoppedReason", 40),
        remote_start_id=fields.whole_or_none(info, "remoteStartId", field="transactionInfo.remoteStartId"),
        reservation_id=fields.whole_or_none(payload, "reservationId"),
        time_spent_charging_s=fields.whole_or_none(
            info, "timeSpentCharging", field="transactionInfo.timeSpentCharging"
        ),
        cable_max_current_a=None if cable is None else Decimal(str(cable)),
        samples=_samples(socket, payload, received_at),
        repairs=repairs_of(payload),
        content=payload,
    )


def _samples(socket: Socket, payload: Json, received_at: datetime) -> tuple[MeterSample, ...]:
    return tuple(_sample(socket, value, received_at) for value in payload.get("meterValue") or ())


def _sample(socket: Socket, value: Json, received_at: datetime) -> MeterSample:
    stamp = timestamps.stamp_or_receipt(
        value.get("timestamp"), received_at, lenient=True, field="meterValue.timestamp"
    )
    return metering.from_v2x(
        value.get("sampledValue") or (),
        occurred_at=stamp.occurred_at,
        factor=socket.energy_factor,
        flags=stamp.flags,
    )


METER_VALUES = Collected(decode_meter_values, nothing)
UPDATE = Collected(decode_event, nothing)
DECISION = Decided(transaction_event)
