"""StartTransaction and StopTransaction of 1.6 (ocpp.md P107 to P113, P140 to P153): by the wire, then the facts."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import clock
from core.access import Actor
from core.errors import Conflict, Invalid, NotFound
from drivers.models import IdToken
from stations.domain.intents import RequestStartTransaction, RequestStopTransaction
from stations.models import (
    ChargingStation,
    Command,
    Evse,
    MeterReading,
    OrphanStop,
    Presence,
    SignedMeterData,
    Transaction,
    TransactionConflict,
    TransactionEvent,
)
from stations.services import commands, effects, transactions
from tests.factories import make_actor, make_organization, make_station
from tests.running import Server
from tests.stations.ocpp.knocking import Charger, next_address
from tests.waiting import eventually
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire

PLACEHOLDER = -1


def start(station: WireStation, **changes: Any) -> dict[str, Any]:
    return station.call("StartTransaction", wire("v16/StartTransaction.plain", **changes))


def begin(station: WireStation, **changes: Any) -> int:
    number: int = start(station, **changes)["transactionId"]
    return number


def stop(station: WireStation, number: int, **changes: Any) -> dict[str, Any]:
    return station.call("StopTransaction", wire("v16/StopTransaction.local", transactionId=number, **changes))


def of(charger: Charger) -> list[Transaction]:
    return list(Transaction.objects.filter(station=charger.station).order_by("started_at", "id"))


def only(charger: Charger) -> Transaction:
    return Transaction.objects.get(station=charger.station)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def other_charger(live: Server, alice: Actor) -> Charger:
    """Another station of Alice's."""
    station, password = make_station(alice)
    return Charger(live.ocpp_url, station, password, next_address())


def test_a_whole_session_becomes_one_transaction(station: WireStation, charger: Charger) -> None:
    started = start(station)
    number = started["transactionId"]
    station.call("MeterValues", wire("v16/MeterValues.three_phases", transactionId=number))
    stopped = station.call("StopTransaction", wire("v16/StopTransaction.with_data", transactionId=number))

    assert started["idTagInfo"] == {"status": "Accepted"}
    assert stopped == {}
    transaction = only(charger)
    assert (transaction.number, transaction.reference, transaction.status) == (number, str(number), "ended")
    assert transaction.energy_wh == Decimal(4000)
    assert transaction.power_max_w == Decimal(11040)
    assert (transaction.soc_start_percent, transaction.stopped_reason) == (Decimal(55), "EVDisconnected")
    assert transaction.flags == []
    readings = MeterReading.objects.filter(transaction=transaction).order_by("occurred_at")
    assert [row.energy_wh for row in readings] == [Decimal(1000), Decimal(3500), Decimal(5000)]
    assert SignedMeterData.objects.get(transaction=transaction).data == "T0NNRnx7fXx7fQ=="


# -- starts ---------------------------------------------------------------------------------------------------


def test_p140_numbers_are_positive_32_bit_and_do_not_count_up(station: WireStation) -> None:
    numbers = [begin(station, connectorId=1 + n) for n in range(5)]

    assert len(set(numbers)) == 5
    assert all(0 < number < 2**31 for number in numbers)
    assert all(abs(after - before) > 1 for before, after in itertools.pairwise(numbers))


def test_p141_a_resent_start_gets_the_same_number_and_opens_nothing(
    station: WireStation, charger: Charger
) -> None:
    payload = wire("v16/StartTransaction.plain")
    first = station.call("StartTransaction", payload, message_id="m-1")
    same_id = station.call("StartTransaction", payload, message_id="m-1")
    new_id = station.call("StartTransaction", payload, message_id="m-2")

    assert first == same_id == new_id
    assert len(of(charger)) == 1
    assert TransactionEvent.objects.filter(transaction__station=charger.station).count() == 1


def test_p141_a_resent_start_is_known_after_a_reconnect_and_in_another_spelling(
    station: WireStation, charger: Charger
) -> None:
    first = start(station)
    with charger.dial() as again:
        same = start(again, idTag="04a1b2c3d4", timestamp="2025-03-01T11:00:00+01:00")

    assert same == first
    assert len(of(charger)) == 1


def test_p141_a_resent_start_with_an_impossible_time_is_known_too(
    station: WireStation, charger: Charger
) -> None:
    first = start(station, timestamp="1970-01-01T00:00:12Z")
    again = start(station, timestamp="1970-01-01T00:00:12Z")
    other = start(station, timestamp="1970-01-01T00:00:13Z")

    assert again == first
    assert other["transactionId"] != first["transactionId"]
    assert len(of(charger)) == 2


def test_p142_a_new_start_supersedes_the_open_session_on_its_connector(
    station: WireStation, charger: Charger
) -> None:
    old = begin(station)
    new = begin(station, timestamp="2025-03-01T12:00:00Z", meterStart=2000)
    elsewhere = begin(station, connectorId=2, idTag="ANOTHER")

    states = {row.number: (row.status, "superseded" in row.flags) for row in of(charger)}
    assert states == {old: ("orphaned", True), new: ("active", False), elsewhere: ("active", False)}
    assert Evse.objects.get(station=charger.station, evse_id=1).active.number == new


def test_p142_a_superseded_session_still_takes_its_own_stop(station: WireStation, charger: Charger) -> None:
    old = begin(station)
    new = begin(station, timestamp="2025-03-01T12:00:00Z", meterStart=2000)
    stop(station, old, meterStop=1800)

    first, second = of(charger)
    assert (first.number, first.status, first.energy_wh, first.flags) == (old, "ended", Decimal(800), [])
    assert (second.number, second.status) == (new, "active")
    assert Evse.objects.get(station=charger.station, evse_id=1).active.number == new


def test_a_late_start_of_an_earlier_session_does_not_supersede_the_running_one(
    station: WireStation, charger: Charger
) -> None:
    running = begin(station, timestamp="2025-03-01T12:00:00Z")
    late = begin(station, timestamp="2025-03-01T10:00:00Z")

    states = {row.number: row.status for row in of(charger)}
    assert states == {running: "active", late: "orphaned"}
    assert Evse.objects.get(station=charger.station, evse_id=1).active.number == running


# -- stops ----------------------------------------------------------------------------------------------------


def test_p143_a_stop_of_an_unknown_number_is_kept_and_ends_nothing(
    station: WireStation, charger: Charger
) -> None:
    running = begin(station, idTag="ANOTHER")
    answer = stop(station, 1 if running != 1 else 2)

    assert answer == {}
    assert only(charger).status == "active"
    orphan = OrphanStop.objects.get(station=charger.station)
    assert (orphan.meter_stop_wh, orphan.token_value, orphan.joined) == (Decimal(5000), "04A1B2C3D4", None)


def test_p144_the_number_of_another_station_counts_as_unknown(
    station: WireStation, charger: Charger, other_charger: Charger
) -> None:
    number = begin(station)
    with other_charger.dial() as other:
        assert stop(other, number) == {}

    assert only(charger).status == "active"
    assert OrphanStop.objects.get(station=other_charger.station).number == number


def test_p145_a_stop_with_a_placeholder_is_a_suggestion_that_an_operator_confirms(
    station: WireStation, charger: Charger, alice: Actor
) -> None:
    begin(station)
    assert stop(station, PLACEHOLDER) == {}
    orphan = OrphanStop.objects.get(station=charger.station)
    assert orphan.suggested == only(charger)
    assert (only(charger).status, orphan.joined) == ("active", None)

    transactions.confirm(orphan, only(charger), by=alice)

    transaction = only(charger)
    assert (transaction.status, transaction.energy_wh) == ("ended", Decimal(4000))
    assert "stop_joined" in transaction.flags
    with pytest.raises(Conflict):
        transactions.confirm(orphan, transaction, by=alice)


def test_p145_a_placeholder_stop_of_another_token_suggests_nothing(
    station: WireStation, charger: Charger
) -> None:
    begin(station)
    stop(station, PLACEHOLDER, idTag="SOMEBODY")

    assert OrphanStop.objects.get(station=charger.station).suggested is None


def test_p146_a_resent_stop_changes_nothing_and_gets_the_same_answer(
    station: WireStation, charger: Charger
) -> None:
    number = begin(station)
    first = stop(station, number)
    before = Transaction.objects.filter(station=charger.station).values().get()
    again = stop(station, number)

    assert again == first == {"idTagInfo": {"status": "Accepted"}}
    assert Transaction.objects.filter(station=charger.station).values().get() == before
    assert TransactionEvent.objects.filter(transaction__number=number).count() == 2


def test_p146_a_resent_orphan_stop_is_kept_once(station: WireStation, charger: Charger) -> None:
    for _ in range(3):
        assert stop(station, PLACEHOLDER) == {}
    for _ in range(2):
        assert stop(station, PLACEHOLDER, timestamp="1970-01-01T00:00:00Z", meterStop=7) == {}

    assert OrphanStop.objects.filter(station=charger.station).count() == 2


def test_f14_a_second_stop_with_another_register_is_a_conflict_for_review(
    station: WireStation, charger: Charger
) -> None:
    number = begin(station)
    first = stop(station, number)
    for _ in range(2):
        assert stop(station, number, meterStop=6000) == first

    transaction = only(charger)
    assert (transaction.energy_wh, transaction.flags) == (Decimal(4000), ["conflicting_end"])
    conflict = TransactionConflict.objects.get(transaction=transaction)
    assert conflict.content["meter_stop_wh"] == "6000.000"


def test_p147_a_stop_that_came_before_its_start_is_joined_later(
    station: WireStation, charger: Charger
) -> None:
    assert stop(station, PLACEHOLDER) == {}
    number = begin(station)

    transaction = only(charger)
    assert (transaction.number, transaction.status) == (number, "ended")
    assert (transaction.energy_wh, transaction.ended_at) == (Decimal(4000), at("2025-03-01T11:00:00"))
    assert transaction.flags == ["stop_joined"]
    assert OrphanStop.objects.get(station=charger.station).joined == transaction
    assert Evse.objects.get(station=charger.station, evse_id=1).active is None


def test_p147_a_stop_that_fits_no_start_stays_alone(station: WireStation, charger: Charger) -> None:
    stop(station, PLACEHOLDER)
    begin(station, timestamp="2025-03-01T11:30:00Z")
    begin(station, connectorId=2, meterStart=5001)
    begin(station, connectorId=3, idTag="ANOTHER")

    assert {row.status for row in of(charger)} == {"active"}
    assert OrphanStop.objects.get(station=charger.station).joined is None


def test_p148_an_offline_session_carries_the_times_of_its_messages(
    station: WireStation, charger: Charger
) -> None:
    number = begin(station, timestamp="2025-02-27T22:00:00Z")
    stop(station, number, timestamp="2025-02-28T06:30:00Z")

    transaction = only(charger)
    assert (transaction.started_at, transaction.ended_at) == (
        at("2025-02-27T22:00:00"),
        at("2025-02-28T06:30:00"),
    )
    assert clock.now() - transaction.start_received_at < timedelta(minutes=1)


def test_p149_a_missing_reason_means_local(station: WireStation, charger: Charger) -> None:
    stop(station, begin(station), reason=None)
    assert only(charger).stopped_reason == "Local"


def test_p149_an_unknown_reason_is_kept_even_for_a_strict_station(
    station: WireStation, charger: Charger
) -> None:
    """A refused stop loses money, so its cosmetic faults are repaired in both modes."""
    stop(station, begin(station), reason="CatOnCable")

    transaction = only(charger)
    assert (transaction.stopped_reason, transaction.status) == ("CatOnCable", "ended")
    assert transaction.flags == ["repaired"]
    assert transaction.repairs == ["word:reason"]


@pytest.mark.parametrize(
    ("meter_start", "meter_stop", "energy", "flags"),
    [
        (5000, 1000, "0", ["meter_backwards"]),
        (2_147_480_000, 3_000, "0", ["meter_backwards"]),
        (0, 12_345_678, "12345678", ["meter_jump"]),
        (1000, 9_007_199_254_740_993, "9999999998999.999", ["meter_jump", "repaired"]),
    ],
)
def test_p150_energy_is_never_negative_and_odd_registers_are_flagged(
    station: WireStation, charger: Charger, meter_start: int, meter_stop: int, energy: str, flags: list[str]
) -> None:
    number = begin(station, meterStart=meter_start)
    assert stop(station, number, meterStop=meter_stop)

    transaction = only(charger)
    assert transaction.energy_wh == Decimal(energy)
    assert sorted(transaction.flags) == flags


def test_p113_a_negative_duration_is_recorded_and_flagged(station: WireStation, charger: Charger) -> None:
    number = begin(station)
    stop(station, number, timestamp="2025-03-01T09:00:00Z")

    transaction = only(charger)
    assert (transaction.status, transaction.ended_at) == ("ended", at("2025-03-01T09:00:00"))
    assert "negative_duration" in transaction.flags


def test_p109_times_are_taken_in_every_lawful_form(station: WireStation, charger: Charger) -> None:
    forms = ["2025-03-01T10:00:00.123456789Z", "2025-03-01t10:00:01z", "2025-03-01T12:00:02+02:00"]
    for number, form in enumerate(forms, 1):
        begin(station, connectorId=number, timestamp=form)
    begin(station, connectorId=4, timestamp="2025-03-01T10:00:03")

    times = [row.started_at.replace(microsecond=0) for row in of(charger)]
    assert times == [at(f"2025-03-01T10:00:0{second}") for second in range(4)]
    assert ["time_without_zone" in row.flags for row in of(charger)] == [False, False, False, True]


def test_p110_an_absurd_year_is_kept_as_sent_and_replaced_for_logic(
    station: WireStation, charger: Charger
) -> None:
    number = begin(station, timestamp="2000-01-01T00:00:00Z")
    stop(station, number, timestamp="2099-01-01T00:00:00Z", meterStop=1001)

    transaction = only(charger)
    assert abs(clock.now() - transaction.started_at) < timedelta(minutes=1)
    assert transaction.flags == ["clock_implausible"]
    sent = list(transaction.events.values_list("sent_time", flat=True))
    assert sent == ["2000-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]


def test_p111_an_unreadable_time_in_a_key_field_is_a_type_fault(
    station: WireStation, charger: Charger
) -> None:
    with pytest.raises(CallError) as refused:
        start(station, timestamp="yesterday")

    assert refused.value.code == "TypeConstraintViolation"
    assert of(charger) == []


# -- sessions that hang ---------------------------------------------------------------------------------------


def test_p107_a_boot_closes_nothing_and_the_stop_may_follow(station: WireStation, charger: Charger) -> None:
    number = begin(station)
    station.boot()
    assert only(charger).status == "active"

    stop(station, number, reason="PowerLoss")
    transaction = only(charger)
    assert (transaction.status, transaction.stopped_reason) == ("ended", "PowerLoss")


def test_p107_only_after_the_grace_time_is_the_session_orphaned(
    station: WireStation, charger: Charger
) -> None:
    number = begin(station)
    ChargingStation.objects.filter(pk=charger.station.pk).update(booted_at=clock.now())
    now = clock.now()
    transactions.orphan_overdue(now + timedelta(hours=23))
    assert only(charger).status == "active"

    transactions.orphan_overdue(now + timedelta(hours=25))
    assert only(charger).status == "orphaned"
    assert Evse.objects.get(station=charger.station, evse_id=1).active is None

    stop(station, number)
    assert (only(charger).status, only(charger).energy_wh) == ("ended", Decimal(4000))


def test_a_session_of_a_station_that_went_away_is_orphaned_after_the_grace_time(
    charger: Charger, token: IdToken
) -> None:
    with charger.dial() as station:
        station.boot()
        begin(station, timestamp=clock.to_wire(clock.now()))
    presence = Presence.objects.filter(station=charger.station, connected=False)
    eventually(presence.exists)

    transactions.orphan_overdue(clock.now() + timedelta(hours=1))
    assert only(charger).status == "active"
    transactions.orphan_overdue(clock.now() + timedelta(hours=30))
    assert only(charger).status == "orphaned"


def test_an_operator_closes_a_stuck_session_with_a_reason(
    station: WireStation, charger: Charger, alice: Actor
) -> None:
    number = begin(station)
    station.call("MeterValues", wire("v16/MeterValues.three_phases", transactionId=number))
    with pytest.raises(Invalid):
        transactions.close_stuck(only(charger), by=alice, reason=" ")
    transactions.close_stuck(only(charger), by=alice, reason="The charger burnt down.")

    transaction = only(charger)
    assert (transaction.status, transaction.energy_wh) == ("ended", Decimal(2500))
    assert transaction.ended_at == at("2025-03-01T10:30:00")
    with pytest.raises(Conflict):
        transactions.close_stuck(transaction, by=alice, reason="Again.")

    stop(station, number)
    assert (only(charger).energy_wh, only(charger).flags) == (Decimal(4000), ["conflicting_end"])


def test_a_stranger_cannot_close_a_session(station: WireStation, charger: Charger) -> None:
    begin(station)
    charlie = make_actor(make_organization(), name="charlie")
    with pytest.raises(NotFound):
        transactions.close_stuck(only(charger), by=charlie, reason="Mischief.")
    assert only(charger).status == "active"


# -- remote starts and stops ----------------------------------------------------------------------------------


def test_p152_a_remote_start_that_never_begins_expires(
    station: WireStation, charger: Charger, alice: Actor
) -> None:
    command = commands.issue(
        charger.station, RequestStartTransaction(token_value="04A1B2C3D4", evse_id=1), by=alice
    )
    call = station.next_call()
    assert call[2:] == ["RemoteStartTransaction", {"idTag": "04A1B2C3D4", "connectorId": 1}]
    station.reply(call, {"status": "Accepted"})
    eventually(lambda: Command.objects.get(pk=command.pk).status == "accepted")
    assert Command.objects.get(pk=command.pk).effect == ""

    effects.expire(clock.now() + timedelta(minutes=3))
    assert Command.objects.get(pk=command.pk).effect == "not_seen"
    assert of(charger) == []


def test_a_remote_start_is_tied_to_the_transaction_that_follows(
    station: WireStation, charger: Charger, alice: Actor
) -> None:
    command = commands.issue(
        charger.station, RequestStartTransaction(token_value="04A1B2C3D4", evse_id=1), by=alice
    )
    station.reply(station.next_call(), {"status": "Accepted"})
    eventually(lambda: Command.objects.get(pk=command.pk).status == "accepted")
    begin(station)

    command.refresh_from_db()
    assert (command.effect, command.transaction) == ("seen", only(charger))


def test_p153_a_rejected_remote_stop_leaves_the_session_open(
    station: WireStation, charger: Charger, alice: Actor
) -> None:
    number = begin(station)
    intent = RequestStopTransaction(transaction=only(charger).pk, reference=str(number))
    command = commands.issue(charger.station, intent, by=alice)
    call = station.next_call()
    assert call[2:] == ["RemoteStopTransaction", {"transactionId": number}]
    station.reply(call, {"status": "Rejected"})

    eventually(lambda: Command.objects.get(pk=command.pk).status == "rejected")
    assert only(charger).status == "active"
