"""MeterValues and TransactionEvent (2.0.1 E01 to E06, J01, J02)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from core.errors import Invalid
from core.money import half_up
from stations.domain import metering, timestamps
from stations.domain.events import (
    MeterSample,
    ReadingsReported,
    StationCostTold,
    TransactionEventReported,
)
from stations.domain.station import cost_key
from stations.models import Transaction
from stations.ocpp.context import Json, Repaired, Socket, repairs_of
from stations.ocpp.routing import Collected, Decided
from stations.ocpp.v201 import fields
from stations.ocpp.v201.authorization import token_info
from stations.services import session_costs, transactions
from stations.services.transactions import log

REMOTE_START_ID = "transactionInfo.remoteStartId"
TIME_SPENT_CHARGING = "transactionInfo.timeSpentCharging"
LARGEST_AMOUNT = Decimal(10) ** 13


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
    """Token information is answered if, and only if, a token was shown; a cost where it is known (P160)."""
    event = event_of(socket, payload, received_at)
    outcome = transactions.apply_event(socket, event)
    answer = {"idTokenInfo": token_info(outcome.decision)} if outcome.decision is not None else {}
    if event.kind == log.ENDED:
        socket.memory.pop(cost_key(event.reference), None)
        return {**answer, **_final_cost(outcome.transaction)}
    if event.kind == log.UPDATED and event.token is not None:
        return {**answer, **_cost_so_far(outcome.transaction)}
    return answer


def _cost_so_far(transaction: Transaction) -> Json:
    cost = session_costs.so_far(transaction)
    return {} if cost is None else {"totalCost": float(cost)}


def _final_cost(transaction: Transaction) -> Json:
    """What the session cost in the end, taxes included; nothing while that is not known (T-46)."""
    cost = session_costs.settle(transaction)
    if cost is None or not cost.is_final or cost.shown is None:
        return {}
    return {"totalCost": float(cost.shown)}


def event_of(socket: Socket, payload: Json, received_at: datetime) -> TransactionEventReported:
    payload = _spared(payload)
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
        remote_start_id=_remote_start_id(payload),
        reservation_id=_reservation_id(payload),
        time_spent_charging_s=_time_spent_charging_s(payload),
        cable_max_current_a=None if cable is None else Decimal(str(cable)),
        samples=_samples(socket, payload, received_at),
        cost=_station_cost(payload),
        repairs=repairs_of(payload),
        content=payload,
    )


def _station_cost(payload: Json) -> StationCostTold | None:
    """What the station computed, in 2.1; an amount that no column can hold counts as none."""
    details = payload.get("costDetails")
    if details is None:
        return None
    cost = details["totalCost"]
    return StationCostTold(
        currency=fields.text(cost, "currency", 3).upper(),
        excl_vat=_amount(cost["total"].get("exclTax")),
        incl_vat=_amount(cost["total"].get("inclTax")),
        failed=bool(details.get("failureToCalculate", False)),
        reason=fields.text(details, "failureReason", 500),
    )


def _amount(value: Any) -> Decimal | None:
    amount = None if value is None else Decimal(str(value))
    return None if amount is None or abs(amount) >= LARGEST_AMOUNT else half_up(Fraction(amount), 4)


def _remote_start_id(payload: Json) -> int | None:
    return fields.whole_or_none(payload["transactionInfo"], "remoteStartId", field=REMOTE_START_ID)


def _time_spent_charging_s(payload: Json) -> int | None:
    return fields.whole_or_none(payload["transactionInfo"], "timeSpentCharging", field=TIME_SPENT_CHARGING)


def _reservation_id(payload: Json) -> int | None:
    return fields.whole_or_none(payload, "reservationId")


OPTIONS: Mapping[str, Callable[[Json], object]] = {
    "evse": lambda payload: fields.whole_or_none(payload.get("evse") or {}, "id"),
    "evse.connectorId": lambda payload: fields.whole_or_none(payload.get("evse") or {}, "connectorId"),
    "reservationId": _reservation_id,
    REMOTE_START_ID: _remote_start_id,
    TIME_SPENT_CHARGING: _time_spent_charging_s,
}
"""What may be left out of an event, and how it is read."""


def _spared(payload: Json) -> Json:
    """An end of a session without those of its options that no column can hold, each named as a repair.

    Refusing the end for their sake would lose money; of every other event they are refused.
    """
    ends = payload.get("eventType") == "Ended"
    wild = [name for name, read in OPTIONS.items() if ends and _is_wild(payload, read)]
    if not wild:
        return payload
    kept = _without(payload, "", wild)
    return Repaired(kept, (*repairs_of(payload), *(f"range:{name}" for name in wild)))


def _without(parent: Json, prefix: str, names: Sequence[str]) -> dict[str, Any]:
    """A copy without those fields, which are named by their way from the top."""
    return {
        name: _without(value, f"{prefix}{name}.", names) if isinstance(value, Mapping) else value
        for name, value in parent.items()
        if f"{prefix}{name}" not in names
    }


def _is_wild(payload: Json, read: Callable[[Json], object]) -> bool:
    try:
        read(payload)
    except Invalid:
        return True
    return False


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


def running_cost(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """What the session costs so far, as it was stored last; nothing where that is not known (T-46)."""
    cost = socket.memory.get(cost_key(str(payload["transactionInfo"]["transactionId"])))
    return {} if cost is None else {"totalCost": float(cost)}


METER_VALUES = Collected(decode_meter_values, nothing)
UPDATE = Collected(decode_event, running_cost)
DECISION = Decided(transaction_event)
