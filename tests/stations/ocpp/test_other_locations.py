"""Registers of the inlet, the cable or the body are other counters than the outlet's (P170, P173, M-02)."""

from decimal import Decimal
from typing import Any

import pytest

from stations.models import MeterReading, Transaction
from tests.stations.ocpp.asking import VERSIONS_2X
from tests.stations.ocpp.opening import Open
from tests.wire.golden import wire

REGISTER = "Energy.Active.Import.Register"


def event(name: str, seq_no: int, *values: dict[str, Any]) -> dict[str, Any]:
    payload = wire(f"v201/TransactionEvent.{name}", seqNo=seq_no)
    at = f"2025-03-01T10:0{seq_no}:00Z"
    meter_value = [{"timestamp": at, "sampledValue": [value]} for value in values]
    return (
        {**payload, "timestamp": at, "meterValue": meter_value or None}
        if values
        else {**payload, "timestamp": at}
    )


@pytest.mark.parametrize("location", ["Inlet", "Cable", "EV", "Body"])
def test_p170_another_location_changes_nothing_of_a_1_6_session(open_station: Open, location: str) -> None:
    station = open_station()
    number = station.call("StartTransaction", wire("v16/StartTransaction.plain"))["transactionId"]
    for minute, place, value in ((10, "Outlet", "2000"), (11, location, "7000000"), (12, None, "2100")):
        sample = {"value": value, **({"location": place} if place else {})}
        at = f"2025-03-01T10:{minute}:00Z"
        values = [{"timestamp": at, "sampledValue": [sample]}]
        station.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": values})

    transaction = Transaction.objects.get(station=station.row)
    assert (transaction.energy_wh, transaction.meter_last_wh) == (Decimal(1100), Decimal(2100))
    assert "meter_jump" not in transaction.flags
    assert "other_location" not in transaction.flags
    flags = (
        MeterReading.objects.filter(station=station.row)
        .order_by("occurred_at")
        .values_list("flags", flat=True)
    )
    assert list(flags) == [None, ["other_location"], None]


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_p170_only_the_outlet_is_the_register_of_a_2x_session(
    open_station: Open, version: str, order: tuple[int, ...]
) -> None:
    station = open_station(version)
    outlet = {"value": 1000, "measurand": REGISTER}
    elsewhere = {"value": 5, "location": "Inlet"}
    messages = [
        event("started", 0, outlet, elsewhere),
        event("updated", 1, {"value": 99000, "location": "Cable", "phase": "L1"}),
        event("ended", 2, {"value": 70, "location": "EV", "context": "Transaction.End"}, {"value": 1900}),
    ]
    for place in order:
        station.call("TransactionEvent", messages[place])

    transaction = Transaction.objects.get(station=station.row)
    assert (transaction.meter_start_wh, transaction.meter_last_wh) == (Decimal(1000), Decimal(1900))
    assert (transaction.energy_wh, transaction.status) == (Decimal(900), "ended")
    assert "other_location" not in transaction.flags


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p170_a_session_without_a_register_of_the_outlet_has_no_energy_and_is_flagged(
    open_station: Open, version: str
) -> None:
    station = open_station(version)
    inlet = [{"value": value, "location": "Inlet"} for value in (1000, 1200, 1900)]
    for place, (name, value) in enumerate(zip(("started", "updated", "ended"), inlet, strict=True)):
        station.call("TransactionEvent", event(name, place, value))

    transaction = Transaction.objects.get(station=station.row)
    assert (transaction.energy_wh, transaction.meter_last_wh, transaction.status) == (None, None, "ended")
    assert "other_location" in transaction.flags
    assert transaction.readings.count() == 3


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    "measurand",
    [
        "Energy.Active.Import.Interval",
        "Energy.Active.Net",
        "Energy.Active.Export.Register",
        "Energy.Apparent.Import",
    ],
)
def test_p170_intervals_and_other_kinds_of_energy_are_no_register(
    open_station: Open, version: str, measurand: str
) -> None:
    station = open_station(version)
    station.call("TransactionEvent", event("started", 0, {"value": 1000}))
    station.call("TransactionEvent", event("updated", 1, {"value": 50000, "measurand": measurand}))
    station.call(
        "TransactionEvent", event("updated", 2, {"value": 1300}, {"value": 9, "measurand": measurand})
    )

    transaction = Transaction.objects.get(station=station.row)
    assert (transaction.energy_wh, transaction.flags) == (Decimal(300), ["not_authorized"])


def test_p173_power_of_the_inlet_does_not_hide_the_register_of_the_outlet(open_station: Open) -> None:
    station = open_station("2.0.1")
    values = [{"value": 1000}, {"value": 7000, "measurand": "Power.Active.Import", "location": "Inlet"}]
    payload = event("started", 0, {"value": 1})
    payload["meterValue"] = [{"timestamp": payload["timestamp"], "sampledValue": values}]
    station.call("TransactionEvent", payload)

    reading = MeterReading.objects.get(station=station.row)
    assert (reading.energy_wh, reading.power_w, reading.flags) == (1000, 7000, ["power_elsewhere"])
    assert Transaction.objects.get(station=station.row).meter_start_wh == Decimal(1000)
