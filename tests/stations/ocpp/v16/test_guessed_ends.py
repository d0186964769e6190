"""An end that was joined by what fits gives way to the one with the transaction's number (P143 to P147, F-14, M-03)."""

from decimal import Decimal
from typing import Any

from stations.models import ChargingStation, OrphanStop, Transaction, TransactionConflict
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import WireStation
from tests.wire.golden import wire

PLACEHOLDER = -1
GUESS: dict[str, Any] = {"timestamp": "2025-03-01T12:00:00Z", "meterStop": 9000, "reason": "PowerLoss"}
STATE = (
    "status", "started_at", "ended_at", "last_event_at", "stopped_reason", "stop_token_value", "event_count",
    "last_seq_no", "meter_start_wh", "meter_last_wh", "meter_last_at", "meter_stop_exact", "energy_wh", "power_w",
    "power_max_w", "soc_percent", "soc_start_percent",
)  # fmt: skip


def begin(station: WireStation, **changes: Any) -> int:
    number: int = station.call("StartTransaction", wire("v16/StartTransaction.plain", **changes))[
        "transactionId"
    ]
    return number


def stop(station: WireStation, number: int, **changes: Any) -> dict[str, Any]:
    return station.call("StopTransaction", wire("v16/StopTransaction.local", transactionId=number, **changes))


def sampled(at: str, **figures: str) -> dict[str, Any]:
    names = {"power": "Power.Active.Import", "soc": "SoC", "energy": "Energy.Active.Import.Register"}
    values = [{"value": value, "measurand": names[name]} for name, value in figures.items()]
    return {"timestamp": at, "sampledValue": values}


def state_of(transaction: Transaction) -> dict[str, Any]:
    return {name: getattr(transaction, name) for name in STATE}


def test_p147_the_true_stop_outranks_one_that_was_joined(station: WireStation, charger: Charger) -> None:
    data = [sampled("2025-03-01T11:50:00Z", energy="8500", power="99000", soc="99")]
    stop(station, PLACEHOLDER, **GUESS, transactionData=data)
    number = begin(station)
    guessed = Transaction.objects.get(station=charger.station)
    assert (guessed.energy_wh, guessed.flags) == (Decimal(8000), ["stop_joined"])
    during = sampled("2025-03-01T10:30:00Z", energy="3000", power="7000", soc="40")
    station.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [during]})

    first, again = stop(station, number), stop(station, number)

    assert first == again == {"idTagInfo": {"status": "Accepted"}}
    transaction = Transaction.objects.get(station=charger.station)
    assert (transaction.energy_wh, transaction.stopped_reason) == (Decimal(4000), "Local")
    assert (transaction.soc_percent, transaction.power_max_w) == (Decimal(40), Decimal(7000))
    assert transaction.flags == ["conflicting_end"]
    assert transaction.events.count() == transaction.event_count == 2
    assert transaction.readings.count() == 1
    assert TransactionConflict.objects.get(transaction=transaction).content["meter_stop_wh"] == "9000.000"
    orphan = OrphanStop.objects.get(station=charger.station)
    assert (orphan.joined, orphan.suggested) == (None, transaction)


def test_m03_a_withdrawn_guess_leaves_the_state_of_one_that_never_was(
    station: WireStation, charger: Charger
) -> None:
    stop(station, PLACEHOLDER, **GUESS)
    with_guess = begin(station)
    stop(station, with_guess, timestamp="2025-03-01T10:40:00Z", meterStop=2500)
    expected_state = state_of(Transaction.objects.get(number=with_guess))
    without = begin(station, connectorId=2, timestamp="2025-03-01T10:00:01Z", idTag="ANOTHER")
    stop(station, without, timestamp="2025-03-01T10:40:00Z", meterStop=2500)

    state = state_of(Transaction.objects.get(number=without))
    differing = {name for name in STATE if state[name] != expected_state[name]}
    assert differing == {"started_at"}


def test_f14_a_second_true_stop_is_a_conflict_after_the_guess_is_gone(
    station: WireStation, charger: Charger
) -> None:
    stop(station, PLACEHOLDER, **GUESS)
    number = begin(station)
    stop(station, number)
    stop(station, number, meterStop=7000)

    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.energy_wh == Decimal(4000)
    assert TransactionConflict.objects.filter(transaction=transaction).count() == 2


def test_f14_another_stop_after_a_boot_is_a_conflict_and_no_new_end(
    station: WireStation, charger: Charger
) -> None:
    number = begin(station)
    stop(station, number)
    assert station.boot()["status"] == "Accepted"
    assert ChargingStation.objects.get(pk=charger.station.pk).booted_at is not None
    stop(station, number, meterStop=6000, timestamp="2025-03-01T11:30:00Z")

    transaction = Transaction.objects.get(station=charger.station)
    assert (transaction.energy_wh, transaction.flags) == (Decimal(4000), ["conflicting_end"])
    assert TransactionConflict.objects.get(transaction=transaction).content["meter_stop_wh"] == "6000.000"
