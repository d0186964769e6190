"""A car that charges, told the same way whatever the version: the wire's words are made here."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from core import clock
from core.access import Actor
from stations.models import Transaction
from stations.services import tariff_assignments
from stations.services.tariff_assignments import Place
from tariffs import publishing
from tariffs.models import Tariff, TariffVersion
from tests.factories import make_token, unique
from tests.stations.ocpp.knocking import Charger
from tests.tariffs.building import component, document, element
from tests.wire.client import WireStation

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
PER_KWH = element(component("ENERGY", "0.50", "19"))


def publish(by: Actor, *elements: Mapping[str, Any], **fields: Any) -> TariffVersion:
    """A tariff in force; without elements 0.50 a kWh plus 19 % VAT."""
    body = document(*(dict(one) for one in elements or (PER_KWH,)), **{"id": unique("T")[-36:], **fields})
    return publishing.publish(publishing.create(body, by=by), by=by)


def assign(by: Actor, tariff: Tariff, place: Place = None, role: str | None = None) -> None:
    tariff_assignments.assign(tariff, place=place, by=by, role=role)


def priced(by: Actor, *elements: Mapping[str, Any], place: Place = None, **fields: Any) -> TariffVersion:
    """A tariff in force that holds there, or in the whole organization."""
    version = publish(by, *elements, **fields)
    assign(by, version.tariff, place)
    return version


class Car:
    """One session at EVSE 1 of a connected charger; ``at`` counts from an instant some hours ago."""

    def __init__(self, charger: Charger, socket: WireStation, by: Actor, *, hours_ago: float = 3) -> None:
        self.charger, self.socket = charger, socket
        self.token = make_token(by).value
        self.zero = clock.now().replace(microsecond=0) - hours_ago * HOUR
        self.name, self.numbers = unique("tx"), iter(range(1000))
        self.reference: Any = None

    @property
    def is_16(self) -> bool:
        return self.socket.version == "1.6"

    @property
    def session(self) -> Transaction:
        return Transaction.objects.get(station=self.charger.station, reference=str(self.reference))

    def at(self, minutes: float) -> datetime:
        return self.zero + minutes * MINUTE

    def start(self, minutes: float, wh: int = 0, state: str = "Charging", **fields: Any) -> dict[str, Any]:
        if self.is_16:
            answer = self.socket.call("StartTransaction", {
                "connectorId": 1, "idTag": self.token, "meterStart": wh, "timestamp": self._time(minutes),
            })  # fmt: skip
            self.reference = answer["transactionId"]
            self.says(minutes, state)
            return answer
        self.reference = self.name
        return self._event("Started", "Authorized", minutes, wh, state, idToken={
            "idToken": self.token, "type": "ISO14443"}, evse={"id": 1, "connectorId": 1}, **fields)  # fmt: skip

    def says(self, minutes: float, state: str, wh: int | None = None, **fields: Any) -> dict[str, Any]:
        """What the session does from then on."""
        if not self.is_16:
            return self._event("Updated", "ChargingStateChanged", minutes, wh, state, **fields)
        word = {"EVConnected": "Preparing"}.get(state, state)
        return self.socket.call("StatusNotification", {
            "connectorId": 1, "errorCode": "NoError", "status": word, "timestamp": self._time(minutes),
        })  # fmt: skip

    def reads(self, minutes: float, wh: float, **figures: float) -> dict[str, Any]:
        """A register in Wh, and maybe ``power_w``."""
        if not self.is_16:
            return self._event("Updated", "MeterValuePeriodic", minutes, wh, None, **figures)
        sampled = [{"value": str(wh)}]
        if "power_w" in figures:
            sampled.append(
                {"value": str(figures["power_w"]), "measurand": "Power.Active.Import", "unit": "W"}
            )
        return self.socket.call("MeterValues", {
            "connectorId": 1, "transactionId": self.reference,
            "meterValue": [{"timestamp": self._time(minutes), "sampledValue": sampled}],
        })  # fmt: skip

    def stop(self, minutes: float, wh: int, **fields: Any) -> dict[str, Any]:
        if self.is_16:
            return self.socket.call("StopTransaction", {
                "transactionId": self.reference, "meterStop": wh, "timestamp": self._time(minutes),
            })  # fmt: skip
        return self._event("Ended", "StopAuthorized", minutes, wh, None, **fields)

    def _event(
        self, kind: str, why: str, minutes: float, wh: float | None, state: str | None, **fields: Any
    ) -> dict[str, Any]:
        context = {"Started": "Transaction.Begin", "Ended": "Transaction.End"}.get(kind, "Sample.Periodic")
        power_w = fields.pop("power_w", None)
        info = {"transactionId": self.name, "chargingState": state,
                "stoppedReason": "Local" if kind == "Ended" else None}  # fmt: skip
        payload = {
            "eventType": kind,
            "triggerReason": why,
            "timestamp": self._time(minutes),
            "seqNo": next(self.numbers),
            "transactionInfo": {name: value for name, value in info.items() if value is not None},
            **fields,
        }
        if wh is not None:
            sampled: list[dict[str, Any]] = [{"value": wh, "context": context}]
            if power_w is not None:
                sampled.append({"value": power_w, "measurand": "Power.Active.Import", "context": context})
            payload["meterValue"] = [{"timestamp": self._time(minutes), "sampledValue": sampled}]
        return self.socket.call("TransactionEvent", payload)

    def _time(self, minutes: float) -> str:
        return clock.to_wire(self.at(minutes))
