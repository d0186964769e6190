"""StartTransaction, StopTransaction and MeterValues (1.6 sections 4.7, 4.8 and 4.10)."""

from collections.abc import Sequence
from datetime import datetime

from stations.domain import metering, timestamps
from stations.domain.events import ReadingsReported, TransactionStarted, TransactionStopped
from stations.ocpp.context import Json, Socket, repairs_of
from stations.ocpp.routing import Collected
from stations.ocpp.v16 import fields
from stations.ocpp.v16.authorization import token_info
from stations.services import cost_displays, session_costs, transactions

DEFAULT_REASON = "Local"


def start_transaction(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """A token that is not accepted still gets a number of its own (P122)."""
    outcome = transactions.start(socket, decode_start(socket, payload, received_at))
    return {
        "transactionId": outcome.transaction.number,
        "idTagInfo": token_info(outcome.decision),
    }


def stop_transaction(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """Never refused; the token is answered where one was shown."""
    outcome = transactions.stop(socket, decode_stop(socket, payload, received_at))
    if outcome.transaction is not None:
        cost = session_costs.settle(outcome.transaction)
        if not outcome.repeated:
            cost_displays.tell_final(cost)
    return {"idTagInfo": token_info(outcome.decision)} if outcome.decision else {}


def decode_start(socket: Socket, payload: Json, received_at: datetime) -> TransactionStarted:
    register_wh, flags = metering.register_wh(payload["meterStart"], socket.energy_factor)
    return TransactionStarted(
        evse_id=fields.evse_id(payload),
        connector_id=fields.CONNECTOR,
        token=fields.token(payload["idTag"]),
        meter_start_wh=register_wh,
        stamp=timestamps.stamp(payload["timestamp"], received_at),
        reservation_id=payload.get("reservationId"),
        repairs=(*repairs_of(payload), *(f"{flag}:meterStart" for flag in flags)),
    )


def decode_stop(socket: Socket, payload: Json, received_at: datetime) -> TransactionStopped:
    register_wh, flags = metering.register_wh(payload["meterStop"], socket.energy_factor)
    return TransactionStopped(
        number=int(payload["transactionId"]),
        meter_stop_wh=register_wh,
        stamp=timestamps.stamp(payload["timestamp"], received_at),
        token=fields.token(payload["idTag"]) if payload.get("idTag") else None,
        reason=fields.text(payload, "reason", 40) or DEFAULT_REASON,
        samples=fields.samples(socket, payload.get("transactionData") or (), received_at),
        repairs=(*repairs_of(payload), *(f"{flag}:meterStop" for flag in flags)),
    )


def decode_meter_values(socket: Socket, payload: Json, received_at: datetime) -> Sequence[ReadingsReported]:
    """Connector 0 is the main meter, which belongs to no session (P176)."""
    evse_id = fields.evse_id(payload)
    number = payload.get("transactionId")
    return [
        ReadingsReported(
            evse_id=evse_id,
            connector_id=fields.CONNECTOR if evse_id else None,
            samples=fields.samples(socket, payload.get("meterValue") or (), received_at),
            received_at=received_at,
            reference=str(int(number)) if number is not None and evse_id else "",
        )
    ]


def nothing(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """A report of figures is answered with nothing but that it was stored."""
    return {}


METER_VALUES = Collected(decode_meter_values, nothing)
