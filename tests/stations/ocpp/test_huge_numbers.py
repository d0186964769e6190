"""Numbers that no column holds: a clear answer or a flag, never our fault, and no harm to others (P151, P172)."""

import json
from decimal import Decimal
from typing import Any

import pytest

from stations.models import MeterReading, OrphanStop, Transaction
from tests.stations.ocpp.asking import VERSIONS_2X
from tests.stations.ocpp.opening import Open, OpenStation
from tests.wire.golden import wire

HUGE = (2**31, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**19, -(10**19), 99999999999999999999)
LENIENT = pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])


def answer(station: OpenStation, action: str, payload: Any) -> tuple[str, Any]:
    """``ok`` with the payload, or the code with the description."""
    station.send([2, "huge", action, payload])
    frame = station.answer_to("huge")
    return ("ok", frame[2]) if frame[0] == 3 else (frame[2], frame[3])


def put(payload: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The payload with one place changed; ``a.0.b`` goes through lists."""
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = payload
    for step in way:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    place[last] = value
    return payload


@LENIENT
@pytest.mark.parametrize("value", HUGE)
@pytest.mark.parametrize("path", ["evse.id", "evse.connectorId", "seqNo", "reservationId",
                                  "transactionInfo.remoteStartId", "transactionInfo.timeSpentCharging"])  # fmt: skip
def test_p172_a_count_beyond_its_column_is_refused_by_name(
    open_station: Open, path: str, value: int, lenient: bool
) -> None:
    with_evse = put(wire("v201/TransactionEvent.started"), "evse", {"id": 1, "connectorId": 1})
    station = open_station("2.0.1", lenient=lenient)

    code, cause = answer(station, "TransactionEvent", put(with_evse, path, value))

    assert code == "PropertyConstraintViolation"
    assert path.rpartition(".")[2] in cause
    assert not Transaction.objects.filter(station=station.row).exists()
    assert answer(station, "Heartbeat", {})[0] == "ok"


@LENIENT
@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("value", [2**40, -1, 10**19])
@pytest.mark.parametrize(("path", "dropped"), [
    ("evse.id", "evse"),
    ("evse.connectorId", "evse.connectorId"),
    ("reservationId", "reservationId"),
    ("transactionInfo.remoteStartId", "transactionInfo.remoteStartId"),
    ("transactionInfo.timeSpentCharging", "transactionInfo.timeSpentCharging"),
])  # fmt: skip
def test_p172_an_end_loses_an_option_that_no_column_holds_and_is_stored(
    open_station: Open, version: str, value: int, path: str, dropped: str, lenient: bool
) -> None:
    station = open_station(version, lenient=lenient)
    station.call("TransactionEvent", wire("v201/TransactionEvent.started"))
    with_evse = put(wire("v201/TransactionEvent.ended"), "evse", {"id": 1, "connectorId": 1})

    answers = [answer(station, "TransactionEvent", put(with_evse, path, value)) for _ in range(2)]

    transaction = Transaction.objects.get(station=station.row)
    assert [word for word, _ in answers] == ["ok", "ok"]
    assert (transaction.status, transaction.event_count) == ("ended", 2)
    assert transaction.repairs == [f"range:{dropped}"]
    assert "repaired" in transaction.flags
    assert transaction.energy_wh


@pytest.mark.parametrize("value", [2**40, -1, 10**19])
def test_p172_an_end_without_a_usable_number_of_its_own_is_still_refused(
    open_station: Open, value: int
) -> None:
    station = open_station("2.0.1")
    station.call("TransactionEvent", wire("v201/TransactionEvent.started"))

    code, cause = answer(station, "TransactionEvent", wire("v201/TransactionEvent.ended", seqNo=value))

    assert (code, "seqNo" in cause) == ("PropertyConstraintViolation", True)
    assert Transaction.objects.get(station=station.row).status == "active"


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("value", [*HUGE, 10**15])
def test_p172_a_huge_figure_of_2x_is_stored_as_sent_and_flagged(
    open_station: Open, version: str, value: int
) -> None:
    station, bystander = open_station(version), open_station(version)
    payload = put(wire("v201/MeterValues.outlet"), "meterValue.0.sampledValue.0.value", value)

    station.send([2, "huge", "MeterValues", payload])
    assert answer(bystander, "MeterValues", wire("v201/MeterValues.outlet")) == ("ok", {})

    assert station.answer_to("huge") == [3, "huge", {}]
    reading = MeterReading.objects.get(station=station.row)
    assert reading.samples[0]["value"] == value
    assert (reading.energy_wh is None) == ("out_of_range" in (reading.flags or []))
    assert MeterReading.objects.get(station=bystander.row).energy_wh == Decimal("1234500.000")


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("multiplier", [300, -300, 2**31, 10**19, -(10**19)])
def test_p178_a_power_of_ten_beyond_reason_makes_the_figure_odd_and_nothing_else(
    open_station: Open, version: str, multiplier: int
) -> None:
    station = open_station(version)
    unit = {"unit": "Wh", "multiplier": multiplier}
    payload = put(wire("v201/MeterValues.outlet"), "meterValue.0.sampledValue.0.unitOfMeasure", unit)

    assert answer(station, "MeterValues", payload) == ("ok", {})

    reading = MeterReading.objects.get(station=station.row)
    assert (reading.energy_wh, reading.flags) == (None, ["out_of_range"])
    assert reading.power_w == Decimal("11040.0")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p178_a_power_of_ten_written_with_a_fraction_counts(open_station: Open, version: str) -> None:
    station = open_station(version)
    unit = {"unit": "Wh", "multiplier": 3.0}
    payload = put(wire("v201/MeterValues.outlet"), "meterValue.0.sampledValue.0.unitOfMeasure", unit)

    assert answer(station, "MeterValues", payload) == ("ok", {})

    assert MeterReading.objects.get(station=station.row).energy_wh == Decimal("1234500.000")


def test_p173_phases_whose_sum_no_column_holds_are_flagged(open_station: Open) -> None:
    station = open_station()
    sampled = [{"value": "9999999999999", "phase": phase} for phase in ("L1", "L2", "L3")]
    value = {"timestamp": "2025-03-01T10:30:00Z", "sampledValue": sampled}

    assert answer(station, "MeterValues", {"connectorId": 1, "meterValue": [value]}) == ("ok", {})

    reading = MeterReading.objects.get(station=station.row)
    assert (reading.energy_wh, reading.flags) == (None, ["out_of_range"])


@LENIENT
@pytest.mark.parametrize("value", HUGE)
def test_p151_numbers_of_1_6_overflow_no_column(open_station: Open, value: int, lenient: bool) -> None:
    station = open_station(lenient=lenient)

    for action, payload in (
        ("MeterValues", wire("v16/MeterValues.bare", transactionId=value)),
        ("StartTransaction", wire("v16/StartTransaction.plain", meterStart=value, reservationId=value)),
        ("StopTransaction", wire("v16/StopTransaction.local", transactionId=value, meterStop=value)),
    ):
        assert answer(station, action, payload)[0] == "ok"
    for action in ("MeterValues.bare", "StartTransaction.plain", "StatusNotification.available"):
        payload = wire(f"v16/{action}", connectorId=value)
        code, cause = answer(station, action.partition(".")[0], payload)
        assert (code, "connectorId" in cause) == ("PropertyConstraintViolation", True)

    assert MeterReading.objects.get(station=station.row).energy_wh == 3500
    assert OrphanStop.objects.filter(station=station.row).count() == 1
    assert abs(Transaction.objects.get(station=station.row).meter_start_wh) < 10**13


def test_p150_registers_at_both_ends_of_what_can_be_stored_make_a_flagged_session(open_station: Open) -> None:
    station = open_station()
    _, begun = answer(station, "StartTransaction", wire("v16/StartTransaction.plain", meterStart=-(10**19)))
    stopped = wire("v16/StopTransaction.local", transactionId=begun["transactionId"], meterStop=10**19)

    assert answer(station, "StopTransaction", stopped)[0] == "ok"

    transaction = Transaction.objects.get(station=station.row)
    assert (transaction.status, transaction.energy_wh) == ("ended", Decimal("9999999999999.999"))
    assert {"meter_jump", "repaired"} <= set(transaction.flags)


def test_p085_a_number_written_with_a_fraction_is_the_same_number(open_station: Open) -> None:
    station = open_station(lenient=True)
    number = answer(station, "StartTransaction", wire("v16/StartTransaction.plain"))[1]["transactionId"]
    readings = json.dumps(wire("v16/MeterValues.bare", transactionId=number, connectorId=1))
    readings = readings.replace(f": {number}", f": {number}.0").replace(
        '"connectorId": 1', '"connectorId": 1.0'
    )
    stopped = json.dumps(wire("v16/StopTransaction.local", transactionId=number))

    for action, text in (("MeterValues", readings), ("StopTransaction", stopped)):
        station.send(f'[2,"{action}","{action}",{text.replace(f": {number},", f": {number}.0,")}]')
        assert station.answer_to(action)[0] == 3

    transaction = Transaction.objects.get(station=station.row)
    assert (transaction.status, transaction.energy_wh) == ("ended", 4000)
    assert transaction.readings.count() == 1


def test_p270_what_is_masked_in_a_frame_with_a_huge_number_is_logged(open_station: Open) -> None:
    station = open_station("2.0.1")
    body = {"vendorId": "v", "data": {"password": "secret", "count": 10**19, "at": "http://a:b@host/"}}

    assert answer(station, "DataTransfer", body)[0] == "ok"
    assert answer(station, "Heartbeat", {})[0] == "ok"
