"""Tariffs at the station: set, changed, read, cleared; each result counts for itself (block I)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from stations.domain import intents
from stations.domain.station_tariffs import TariffAssigned, TariffCleared, TariffKind
from stations.domain.timestamps import stamp_or_receipt
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.services import station_tariffs

KINDS: Mapping[str, TariffKind] = {
    "DefaultTariff": TariffKind.DEFAULT,
    "DriverTariff": TariffKind.DRIVER,
}


def set_default(socket: Socket, intent: intents.SetDefaultTariff) -> OutboundCall:
    return OutboundCall("SetDefaultTariff", {"evseId": intent.evse_id, "tariff": dict(intent.tariff)})


def change(socket: Socket, intent: intents.ChangeTransactionTariff) -> OutboundCall:
    payload = {"transactionId": intent.reference, "tariff": dict(intent.tariff)}
    return OutboundCall("ChangeTransactionTariff", payload)


def get(socket: Socket, intent: intents.GetTariffs) -> OutboundCall:
    return OutboundCall("GetTariffs", {"evseId": intent.evse_id})


def clear(socket: Socket, intent: intents.ClearTariffs) -> OutboundCall:
    payload: dict[str, Any] = {}
    if intent.tariff_ids:
        payload["tariffIds"] = list(intent.tariff_ids)
    if intent.evse_id is not None:
        payload["evseId"] = intent.evse_id
    return OutboundCall("ClearTariffs", payload)


def absorb_told(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """“NoTariff” says that there is none."""
    if response.get("status") in ("Accepted", "NoTariff"):
        assigned = tuple(_assigned(socket, response, at))
        station_tariffs.told(socket, int(request["evseId"]), assigned, at)


def absorb_cleared(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    results = [
        TariffCleared(
            tariff_id=fields.text(one, "tariffId", 60),
            status=fields.text(one, "status", 30),
            detail=fields.text(one.get("statusInfo") or {}, "reasonCode", 20),
        )
        for one in response.get("clearTariffsResult") or ()
    ]
    station_tariffs.cleared(socket, request.get("evseId"), results, at)


def _assigned(socket: Socket, response: Json, at: datetime) -> Iterator[TariffAssigned]:
    for one in response.get("tariffAssignments") or ():
        begin = one.get("validFrom")
        yield TariffAssigned(
            tariff_id=fields.text(one, "tariffId", 60),
            kind=KINDS.get(str(one.get("tariffKind")), TariffKind.DEFAULT),
            evse_ids=tuple(fields.whole(number, "evseIds") for number in one.get("evseIds") or ()),
            valid_from=stamp_or_receipt(begin, at, lenient=True).occurred_at if begin else None,
            token_values=tuple(str(token)[:255] for token in one.get("idTokens") or ()),
        )
