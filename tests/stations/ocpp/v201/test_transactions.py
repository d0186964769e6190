"""P154 to P163 on 2.x: transactions from events in any order, and what they are answered."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from core.access import Actor
from stations.domain.words import Flag
from stations.models import Evse, MeterReading, Transaction
from tests.factories import make_token
from tests.stations.ocpp.asking import VERSIONS_2X, now
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire

STARTED = "v201/TransactionEvent.started"
UPDATED = "v201/TransactionEvent.updated"
ENDED = "v201/TransactionEvent.ended"


def say(socket: WireStation, name: str, **changes: Any) -> dict[str, Any]:
    """One event; changes of ``transactionInfo`` are given as ``info``."""
    info = changes.pop("info", {})
    payload = wire(name, **changes)
    payload["transactionInfo"] |= info
    return socket.call("TransactionEvent", payload)


def facts(transaction: Transaction) -> tuple[Any, ...]:
    return (
        transaction.status,
        transaction.started_at,
        transaction.ended_at,
        transaction.meter_start_wh,
        transaction.meter_last_wh,
        transaction.energy_wh,
        transaction.stopped_reason,
        transaction.event_count,
        transaction.evse.evse_id if transaction.evse else None,
    )


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p154_a_repeated_event_gets_the_same_answer_and_no_second_row(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    shown = {"idToken": token.value, "type": token.type}
    with charger.dial(version) as socket:
        socket.boot()
        answers = [say(socket, STARTED, idToken=shown) for _ in range(3)]
        say(socket, UPDATED)
        say(socket, UPDATED)
        ends = [say(socket, ENDED) for _ in range(2)]

    assert answers == [{"idTokenInfo": {"status": "Accepted"}}] * 3
    assert ends == [{}, {}]
    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.events.count() == transaction.event_count == 3
    assert transaction.energy_wh == 1200
    assert not transaction.conflicts.exists()


def test_p154_an_event_that_says_something_else_is_kept_as_conflict(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        say(socket, STARTED)
        say(socket, UPDATED)
        say(socket, UPDATED, triggerReason="ChargingRateChanged")

    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.events.count() == 2
    assert transaction.conflicts.count() == 1


@pytest.mark.parametrize("order", list(permutations([STARTED, UPDATED, ENDED])))
def test_p155_events_in_any_order_make_the_same_transaction(charger: Charger, order: list[str]) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        for name in order:
            say(socket, name)

    transaction = Transaction.objects.select_related("evse").get(station=charger.station)
    assert facts(transaction)[3:] == (1000, 2200, 1200, "EVDisconnected", 3, 1)
    assert transaction.status == "ended"
    assert transaction.started_at.isoformat() == "2025-03-01T10:00:00+00:00"
    assert transaction.ended_at is not None
    assert transaction.ended_at.isoformat() == "2025-03-01T10:10:00+00:00"
    assert Flag.MISSING_EVENTS not in transaction.flags


def test_p155_a_transaction_with_only_an_end_is_stored_and_flagged(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        assert say(socket, ENDED) == {}

    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.status == "ended"
    assert Flag.MISSING_EVENTS in transaction.flags


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p156_offline_events_change_history_and_not_the_live_view(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        say(socket, STARTED, offline=True)
        say(socket, UPDATED, offline=True)

    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.energy_wh == 600
    assert Flag.OFFLINE in transaction.flags
    evse = Evse.objects.get(station=charger.station, evse_id=1)
    assert evse.active_id is None
    assert evse.power_w is None


def test_p157_a_counter_that_runs_on_over_transactions_is_fine(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        for base, reference in ((0, "first"), (3, "second")):
            for step, name in enumerate((STARTED, UPDATED, ENDED)):
                say(socket, name, seqNo=base + step, info={"transactionId": reference})

    rows = Transaction.objects.filter(station=charger.station)
    assert [row.event_count for row in rows] == [3, 3]
    assert all(Flag.MISSING_EVENTS not in row.flags for row in rows)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p158_later_events_inherit_the_evse_and_no_connector_is_made_up(
    charger: Charger, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        say(socket, STARTED, evse={"id": 2})
        say(socket, UPDATED)
        say(socket, ENDED)

    transaction = Transaction.objects.select_related("evse").get(station=charger.station)
    assert transaction.evse is not None
    assert transaction.evse.evse_id == 2
    assert transaction.connector_id is None
    assert set(transaction.readings.values_list("evse_id", flat=True)) == {2}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p159_a_transaction_may_start_without_evse_and_token(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        assert say(socket, STARTED, evse=None, idToken=None, triggerReason="CablePluggedIn") == {}
        say(socket, UPDATED, evse={"id": 1, "connectorId": 1}, triggerReason="EVDetected")

    transaction = Transaction.objects.select_related("evse").get(station=charger.station)
    assert transaction.evse is not None
    assert (transaction.evse.evse_id, transaction.connector_id) == (1, 1)
    assert transaction.token_value == ""


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p160_token_information_is_answered_if_and_only_if_a_token_was_shown(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    shown = {"idToken": token.value, "type": token.type}
    with charger.dial(version) as socket:
        socket.boot()
        answers = [
            say(socket, STARTED, idToken=None),
            say(socket, UPDATED, idToken=shown, triggerReason="Authorized"),
            say(socket, UPDATED, seqNo=2),
            say(socket, ENDED, seqNo=3, idToken=shown, triggerReason="StopAuthorized"),
        ]

    info = {"idTokenInfo": {"status": "Accepted"}}
    assert answers == [{}, info, {}, info]


@pytest.mark.parametrize("state", ["SuspendedEV", "SuspendedEVSE", "Idle"])
def test_p162_suspended_is_not_an_end(charger: Charger, state: str) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        say(socket, STARTED)
        say(socket, UPDATED, info={"chargingState": state}, triggerReason="ChargingStateChanged")

    transaction = Transaction.objects.get(station=charger.station)
    assert (transaction.status, transaction.charging_state) == ("active", state)


def test_p163_a_missing_trigger_reason_is_accepted_in_lenient_only(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            say(socket, UPDATED, triggerReason=None)
    charger.set(lenient=True)
    with charger.dial("2.0.1") as socket:
        assert say(socket, UPDATED, triggerReason=None) == {}

    assert refused.value.code == "OccurrenceConstraintViolation"
    assert "missing:triggerReason" in Transaction.objects.get(station=charger.station).repairs


def test_p082_an_end_with_cosmetic_faults_is_never_refused(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        say(socket, STARTED)
        assert (
            say(socket, ENDED, triggerReason="BecauseISaySo", info={"stoppedReason": "Bored", "mood": 1})
            == {}
        )

    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.status == "ended"
    assert transaction.energy_wh == 1200
    assert transaction.repairs


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p081_an_event_without_a_key_field_is_refused_in_both_modes(charger: Charger, version: str) -> None:
    for lenient in (False, True):
        charger.set(lenient=lenient)
        with charger.dial(version) as socket:
            socket.boot()
            for name in ("timestamp", "seqNo", "eventType"):
                with pytest.raises(CallError) as refused:
                    say(socket, UPDATED, **{name: None})
                assert refused.value.code == "OccurrenceConstraintViolation"

    assert not Transaction.objects.filter(station=charger.station).exists()


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p178_multipliers_are_powers_of_ten_and_decimals_stay_exact(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        assert socket.call("MeterValues", wire("v201/MeterValues.outlet")) == {}

    reading = MeterReading.objects.get(station=charger.station)
    assert reading.energy_wh == Decimal("1234500.000")
    assert reading.power_w == Decimal("11040.0")
    assert reading.current_l1_a == Decimal("16.00")
    assert reading.evse_id == 1


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p176_the_main_meter_belongs_to_no_session(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        say(socket, STARTED, timestamp=now())
        assert socket.call("MeterValues", wire("v201/MeterValues.outlet", evseId=0)) == {}

    reading = MeterReading.objects.get(station=charger.station, evse_id=0)
    assert reading.transaction_id is None
    assert Transaction.objects.get(station=charger.station).energy_wh in (None, 0)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p174_signed_values_are_stored_byte_for_byte(charger: Charger, version: str) -> None:
    data = "AbC+/=" * (380 if version == "2.0.1" else 5000)
    signed = {
        "signedMeterData": data,
        "signingMethod": "ECDSA",
        "encodingMethod": "OCMF",
        "publicKey": "MFkw",
    }
    ended = wire(ENDED)
    ended["meterValue"][0]["sampledValue"][0]["signedMeterValue"] = signed

    with charger.dial(version) as socket:
        socket.boot()
        say(socket, STARTED)
        assert socket.call("TransactionEvent", ended) == {}

    row = Transaction.objects.get(station=charger.station).signed_data.get()
    assert row.data == data
    assert (row.signing_method, row.encoding, row.public_key) == ("ECDSA", "OCMF", "MFkw")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p086_custom_data_and_vendors_messages_are_answered(charger: Charger, version: str) -> None:
    custom = {"vendorId": "com.example", "Some-Key": {"n": [1, 2.50]}}
    with charger.dial(version) as socket:
        socket.boot()
        say(socket, STARTED, customData=custom)
        transfer = socket.call("DataTransfer", {"vendorId": "com.example", "messageId": "x", "data": custom})

    assert transfer == {"status": "UnknownVendorId"}
    assert Transaction.objects.filter(station=charger.station).exists()
