"""P151, P170 to P178 by the wire: what is stored of meter values, and what sessions make of them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from stations.models import Evse, MeterReading, SignedMeterData, Transaction
from tests.stations.ocpp.asking import now
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire

REGISTER = "Energy.Active.Import.Register"


def start(station: WireStation, **changes: Any) -> int:
    number: int = station.call("StartTransaction", wire("v16/StartTransaction.plain", **changes))[
        "transactionId"
    ]
    return number


def stop(station: WireStation, number: int, **changes: Any) -> None:
    station.call("StopTransaction", wire("v16/StopTransaction.local", transactionId=number, **changes))


def measure(
    station: WireStation, *samples: dict[str, Any], at: str = "2025-03-01T10:30:00Z", **changes: Any
) -> None:
    value = {"timestamp": at, "sampledValue": list(samples)}
    assert station.call("MeterValues", {"connectorId": 1, "meterValue": [value], **changes}) == {}


def readings(charger: Charger) -> list[MeterReading]:
    return list(MeterReading.objects.filter(station=charger.station).order_by("occurred_at", "id"))


def session(charger: Charger) -> Transaction:
    return Transaction.objects.get(station=charger.station)


def test_p170_a_bare_value_is_a_periodic_register_in_wh(charger: Charger) -> None:
    with charger.dial() as station:
        station.boot()
        assert station.call("MeterValues", wire("v16/MeterValues.bare")) == {}

    (reading,) = readings(charger)
    assert (reading.energy_wh, reading.power_w, reading.context) == (Decimal(3500), None, "Sample.Periodic")
    assert reading.samples == [{"value": "3500"}]


def test_all_figures_have_their_columns_and_the_samples_stay_verbatim(charger: Charger) -> None:
    payload = wire("v16/MeterValues.three_phases")
    with charger.dial() as station:
        station.boot()
        station.call("MeterValues", payload)

    (reading,) = readings(charger)
    assert (reading.energy_wh, reading.power_w) == (Decimal(3500), Decimal(11040))
    assert (reading.current_l1_a, reading.current_l2_a, reading.current_l3_a) == (
        Decimal(16),
        Decimal("15.9"),
        Decimal("16.1"),
    )
    assert (reading.voltage_l1_v, reading.voltage_l3_v) == (Decimal("230.1"), Decimal(231))
    assert (reading.soc_percent, reading.temperature_c) == (Decimal(55), Decimal("31.5"))
    assert (reading.samples, reading.flags) == (payload["meterValue"][0]["sampledValue"], None)


def test_a_repeated_message_adds_no_reading_and_another_of_its_time_does(charger: Charger) -> None:
    with charger.dial() as station:
        station.boot()
        for value in ("3500", "3500", "3501"):
            measure(station, {"value": value})

    assert [row.energy_wh for row in readings(charger)] == [Decimal(3500), Decimal(3501)]


def test_p171_kwh_and_wh_both_count(charger: Charger) -> None:
    with charger.dial() as station:
        station.boot()
        number = start(station)
        measure(station, {"value": "1.25", "unit": "kWh"}, transactionId=number)
        assert session(charger).energy_wh == Decimal(250)
        measure(station, {"value": "1500", "unit": "Wh"}, transactionId=number, at="2025-03-01T10:40:00Z")

    assert session(charger).energy_wh == Decimal(500)


def test_p171_the_factor_of_a_station_corrects_all_its_registers(charger: Charger) -> None:
    charger.set(energy_factor=Decimal(1000))
    with charger.dial() as station:
        station.boot()
        number = start(station, meterStart=1)
        measure(station, {"value": "2"}, transactionId=number)
        assert session(charger).energy_wh == Decimal(1000)
        stop(station, number, meterStop=5)

    assert (session(charger).meter_start_wh, session(charger).energy_wh) == (Decimal(1000), Decimal(4000))


def test_p171_a_step_beyond_the_rated_power_is_flagged(charger: Charger) -> None:
    charger.set(max_power_w=11_000)
    with charger.dial() as station:
        station.boot()
        number = start(station)
        measure(station, {"value": "6000"}, transactionId=number)
        assert session(charger).flags == ["not_authorized"]
        measure(station, {"value": "1000000"}, transactionId=number, at="2025-03-01T10:31:00Z")

    assert set(session(charger).flags) == {"meter_jump", "not_authorized"}


@pytest.mark.parametrize(
    ("text", "energy", "flags"),
    [
        ("2000.00", 2000, None),
        ("2e3", 2000, None),
        (" 2000 ", 2000, None),
        ("2000,5", Decimal("2000.5"), None),
        ("", None, ["not_a_number"]),
        ("NaN", None, ["not_a_number"]),
        ("n/a", None, ["not_a_number"]),
        ("1e999", None, ["out_of_range"]),
    ],
)
def test_p172_every_text_is_read_or_flagged_and_the_session_goes_on(
    charger: Charger, text: str, energy: Decimal | None, flags: list[str] | None
) -> None:
    with charger.dial() as station:
        station.boot()
        number = start(station)
        measure(station, {"value": text}, transactionId=number)
        (reading,) = readings(charger)
        assert (reading.energy_wh, reading.flags, reading.samples) == (energy, flags, [{"value": text}])
        stop(station, number)

    assert session(charger).energy_wh == Decimal(4000)


def test_p173_phases_without_a_total_are_summed_and_with_one_not_counted_twice(charger: Charger) -> None:
    phases = [
        {"value": str(value), "measurand": REGISTER, "phase": f"L{n}"}
        for n, value in enumerate((500, 600, 700), 1)
    ]
    with charger.dial() as station:
        station.boot()
        number = start(station)
        measure(station, *phases, transactionId=number)
        assert session(charger).energy_wh == Decimal(800)
        total = {"value": "2000", "measurand": REGISTER}
        measure(station, *phases, total, transactionId=number, at="2025-03-01T10:31:00Z")

    assert session(charger).energy_wh == Decimal(1000)
    assert [row.flags for row in readings(charger)] == [["phases_summed"], None]


def test_p174_signed_data_longer_than_10_kb_are_stored_byte_for_byte(charger: Charger) -> None:
    data = 'OCMF|{"ä":" x"}' * 1000
    signed = {"value": data, "format": "SignedData", "context": "Transaction.End"}
    with charger.dial() as station:
        station.boot()
        number = start(station)
        for _ in range(2):
            measure(station, {"value": "2000"}, signed, transactionId=number)

    row = SignedMeterData.objects.get(station=charger.station)
    assert (row.data, row.context, row.transaction) == (data, "Transaction.End", session(charger))
    assert session(charger).energy_wh == Decimal(1000)


def test_p175_a_unit_that_does_not_fit_is_flagged_and_the_rest_counts(charger: Charger) -> None:
    with charger.dial() as station:
        station.boot()
        number = start(station)
        measure(
            station,
            {"value": "9999", "measurand": REGISTER, "unit": "Celsius"},
            {"value": "7.4", "measurand": "Power.Active.Import", "unit": "kW"},
            transactionId=number,
        )

    (reading,) = readings(charger)
    assert (reading.energy_wh, reading.power_w, reading.flags) == (None, Decimal(7400), ["unit_mismatch"])
    assert session(charger).energy_wh == Decimal(0)


def test_p176_the_main_meter_belongs_to_no_session_even_when_it_names_one(charger: Charger) -> None:
    with charger.dial() as station:
        station.boot()
        number = start(station)
        measure(station, {"value": "999999"}, connectorId=0, transactionId=number)

    (reading,) = readings(charger)
    assert (reading.evse_id, reading.transaction_id) == (0, None)
    assert session(charger).energy_wh == Decimal(0)


def test_p177_samples_out_of_order_and_after_the_stop_are_placed_by_their_own_time(charger: Charger) -> None:
    with charger.dial() as station:
        station.boot()
        number = start(station)
        measure(station, {"value": "3000"}, transactionId=number, at="2025-03-01T10:40:00Z")
        measure(station, {"value": "2000"}, transactionId=number, at="2025-03-01T10:20:00Z")
        assert session(charger).energy_wh == Decimal(2000)
        stop(station, number)
        measure(station, {"value": "4000"}, transactionId=number, at="2025-03-01T10:50:00Z")
        measure(station, {"value": "9000"}, transactionId=number, at="2025-03-01T12:00:00Z")

    assert (session(charger).energy_wh, session(charger).status) == (Decimal(4000), "ended")
    assert [row.energy_wh for row in readings(charger)] == [2000, 3000, 4000, 9000]
    assert {row.transaction_id for row in readings(charger)} == {session(charger).pk}


@pytest.mark.parametrize("number", [None, 0, -1, 4_000_000_000, 9_223_372_036_854_775_807])
def test_p151_readings_of_no_known_transaction_are_stored_by_connector(
    charger: Charger, number: int | None
) -> None:
    with charger.dial() as station:
        station.boot()
        start(station)
        measure(station, {"value": "2000"}, **({} if number is None else {"transactionId": number}))

    (reading,) = readings(charger)
    assert (reading.evse_id, reading.transaction_id) == (1, None)
    assert session(charger).energy_wh == Decimal(0)


def test_a_connector_number_beyond_32_bits_is_refused_and_stores_nothing(charger: Charger) -> None:
    with charger.dial() as station:
        station.boot()
        with pytest.raises(CallError) as refused:
            station.call("MeterValues", wire("v16/MeterValues.bare", connectorId=2**40))
        assert station.call("Heartbeat", {})

    assert refused.value.code == "PropertyConstraintViolation"
    assert readings(charger) == []


def test_p110_a_reading_with_an_absurd_time_is_placed_by_receipt_and_flagged(charger: Charger) -> None:
    with charger.dial() as station:
        station.boot()
        number = start(station, timestamp=now())
        measure(station, {"value": "1500"}, transactionId=number, at="1970-01-01T00:00:00Z")

    (reading,) = readings(charger)
    assert (reading.occurred_at, reading.flags) == (reading.received_at, ["clock_implausible"])
    assert "clock_implausible" in session(charger).flags
    assert session(charger).energy_wh == Decimal(500)


def test_the_live_figures_follow_the_newest_reading_and_end_with_the_session(charger: Charger) -> None:
    power = {"value": "7.4", "measurand": "Power.Active.Import", "unit": "kW"}
    with charger.dial() as station:
        station.boot()
        number = start(station)
        measure(station, {"value": "1500"}, power, transactionId=number)
        measure(
            station,
            {"value": "1200"},
            {**power, "value": "3"},
            transactionId=number,
            at="2025-03-01T10:10:00Z",
        )
        evse = Evse.objects.get(station=charger.station)
        assert (evse.power_w, evse.energy_wh) == (Decimal(7400), Decimal(500))
        assert (session(charger).power_w, session(charger).energy_wh) == (Decimal(7400), Decimal(500))
        stop(station, number)

    evse = Evse.objects.get(station=charger.station)
    assert (evse.active, evse.power_w, evse.energy_wh) == (None, None, None)
    assert (session(charger).power_w, session(charger).power_max_w) == (None, Decimal(7400))


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_p177_late_registers_of_2x_events_are_placed_by_their_own_time(
    charger: Charger, version: str
) -> None:
    started = wire("v201/TransactionEvent.started")
    ended = wire("v201/TransactionEvent.ended")
    late = wire("v201/TransactionEvent.updated")
    with charger.dial(version) as station:
        station.boot()
        for payload in (started, ended, late):
            station.call("TransactionEvent", payload)

    row = session(charger)
    assert (row.meter_start_wh, row.meter_last_wh, row.energy_wh) == (
        Decimal(1000),
        Decimal(2200),
        Decimal(1200),
    )
    assert [reading.energy_wh for reading in readings(charger)] == [1000, 1600, 2200]


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_p178_digits_of_a_2x_number_are_kept_as_sent(charger: Charger, version: str) -> None:
    text = '{"evseId":1,"meterValue":[{"timestamp":"2025-03-01T10:00:00Z","sampledValue":[{"value":1234567.891}]}]}'
    with charger.dial(version) as station:
        station.boot()
        station.send(f'[2,"m","MeterValues",{text}]')
        assert station.answer_to("m")[0] == 3

    (reading,) = readings(charger)
    assert reading.energy_wh == Decimal("1234567.891")
    assert json.dumps(reading.samples) == '[{"value": 1234567.891}]'
