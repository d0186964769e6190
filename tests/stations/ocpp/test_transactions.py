"""P127, P161, P164, P165: what holds for transactions whatever the version; races and long sessions."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg.errors
import pytest
from django.db import OperationalError, connection

from core.access import Actor
from drivers.services import tokens
from stations.domain import metering
from stations.domain.events import (
    Stamp,
    TokenShown,
    TransactionEventReported,
    TransactionStarted,
    TransactionStopped,
)
from stations.domain.intents import Call
from stations.domain.station import StationRef
from stations.models import ChargingStation, Evse, MeterReading, OrphanStop, Transaction, TransactionEvent
from stations.services import transactions
from tests.factories import make_actor, make_organization, make_station, make_token
from tests.stations.ocpp.asking import ask
from tests.stations.ocpp.knocking import Charger
from tests.wire.golden import wire

BEGAN = datetime(2025, 3, 1, 10, tzinfo=UTC)
TOKEN = "04A1B2C3D4"
WORKERS = 6


def ref_of(row: ChargingStation) -> StationRef:
    return StationRef(
        station_id=row.id, organization_id=row.organization_id, site_id=row.site_id, max_power_w=22_000
    )


def stamp(second: int) -> Stamp:
    return Stamp(occurred_at=BEGAN + timedelta(seconds=second), received_at=BEGAN + timedelta(days=1))


def event(kind: str, seq_no: int, second: int, **details: Any) -> TransactionEventReported:
    """An event with a register that has grown by one Wh a second."""
    register = [{"value": 1000 + second}]
    return TransactionEventReported(
        kind=kind,
        reference="long",
        seq_no=seq_no,
        trigger_reason="MeterValuePeriodic",
        stamp=stamp(second),
        samples=(metering.from_v2x(register, occurred_at=BEGAN + timedelta(seconds=second)),),
        content={"seqNo": seq_no, "kind": kind},
        **details,
    )


def started(**details: Any) -> TransactionStarted:
    values = {
        "evse_id": 1,
        "connector_id": 1,
        "token": TokenShown(value=TOKEN),
        "meter_start_wh": Decimal(1000),
    }
    return TransactionStarted(**{**values, "stamp": stamp(0), **details})


def sent_until_taken(work: Callable[[], Any], attempts: int = 5) -> Any:
    try:
        return work()
    except OperationalError as error:
        if attempts == 1 or not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            raise
    return sent_until_taken(work, attempts - 1)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """All of them in threads of their own, released in the same instant.

    What waited too long for a lock was refused and kept nothing: it is sent again, as a station does.
    """
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        try:
            barrier.wait(10)
            return sent_until_taken(work)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(30) for future in [pool.submit(run, work) for work in works]]


@pytest.fixture
def station(alice: Actor) -> StationRef:
    """A station of Alice's, whose token is known; what is written is committed."""
    make_token(alice, TOKEN)
    return ref_of(make_station(alice)[0])


# -- at once --------------------------------------------------------------------------------------------------


def test_p165_one_start_sent_by_many_workers_at_once_opens_one_transaction(station: StationRef) -> None:
    outcomes = at_once(*[lambda: transactions.start(station, started())] * WORKERS)

    assert len({outcome.transaction.number for outcome in outcomes}) == 1
    assert {outcome.decision.verdict for outcome in outcomes} == {"accepted"}
    assert Transaction.objects.filter(station_id=station.station_id).count() == 1


def test_p165_starts_on_one_connector_at_once_leave_one_of_them_running(station: StationRef) -> None:
    at_once(
        *[
            lambda second=second: transactions.start(station, started(stamp=stamp(second)))
            for second in range(WORKERS)
        ]
    )

    rows = Transaction.objects.filter(station_id=station.station_id).order_by("started_at")
    assert [row.status for row in rows] == ["orphaned"] * (WORKERS - 1) + ["active"]
    assert Evse.objects.get(station_id=station.station_id).active == rows.last()


def test_p165_one_stop_sent_by_many_workers_at_once_ends_once(station: StationRef) -> None:
    number = transactions.start(station, started()).transaction.number
    stopped = TransactionStopped(number=number, meter_stop_wh=Decimal(5000), stamp=stamp(3600))
    at_once(*[lambda: transactions.stop(station, stopped)] * WORKERS)

    row = Transaction.objects.get(station_id=station.station_id)
    assert (row.status, row.energy_wh, row.event_count, row.flags) == ("ended", Decimal(4000), 2, [])
    assert not row.conflicts.exists()


def test_p165_orphan_stops_at_once_are_kept_once(station: StationRef) -> None:
    stopped = TransactionStopped(number=-1, meter_stop_wh=Decimal(5000), stamp=stamp(3600))
    at_once(*[lambda: transactions.stop(station, stopped)] * WORKERS)

    assert OrphanStop.objects.filter(station_id=station.station_id).count() == 1


@pytest.mark.parametrize("repetition", range(3))
def test_p165_all_events_of_a_transaction_at_once_are_as_in_sequence(
    station: StationRef, repetition: int
) -> None:
    events = [
        event("Started", 0, 0, evse_id=1, token=TokenShown(value=TOKEN, type="ISO14443")),
        *(event("Updated", n, 60 * n) for n in range(1, 5)),
        event("Ended", 5, 300, stopped_reason="EVDisconnected"),
    ]
    at_once(*[lambda one=one: transactions.apply_event(station, one) for one in events + events])

    row = Transaction.objects.get(station_id=station.station_id)
    assert (row.status, row.event_count, row.energy_wh) == ("ended", 6, Decimal(300))
    assert (row.started_at, row.ended_at) == (stamp(0).occurred_at, stamp(300).occurred_at)
    assert (row.token_value, row.flags) == (TOKEN, [])
    assert MeterReading.objects.filter(transaction=row).count() == 6
    assert Evse.objects.get(station_id=station.station_id).active is None


# -- long sessions --------------------------------------------------------------------------------------------


def rows_read(work: Callable[[], Any]) -> int:
    """How many rows the database looks at for it."""
    query = "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    with connection.cursor() as cursor:
        cursor.execute(query)
        before = cursor.fetchone()[0]
        work()
        cursor.execute(query)
        return int(cursor.fetchone()[0] - before)


def test_p164_the_work_for_an_event_does_not_grow_with_the_number_of_events(db: None) -> None:
    station = ref_of(make_station(make_actor(make_organization()))[0])
    transaction = transactions.apply_event(station, event("Started", 0, 0, evse_id=1)).transaction
    for n in range(1, 5):
        transactions.apply_event(station, event("Updated", n, n))
    early = rows_read(lambda: transactions.apply_event(station, event("Updated", 5, 5)))

    _fill(transaction, range(6, 3000))
    late = rows_read(lambda: transactions.apply_event(station, event("Updated", 3000, 3000)))
    repeated = rows_read(lambda: transactions.apply_event(station, event("Updated", 3000, 3000)))
    end = rows_read(lambda: transactions.apply_event(station, event("Ended", 3001, 3001)))

    assert max(late, repeated, end) <= early + 20
    transaction.refresh_from_db()
    assert (transaction.status, transaction.energy_wh) == ("ended", Decimal(3001))


def _fill(transaction: Transaction, seconds: range) -> None:
    """As if an event a second had come."""
    TransactionEvent.objects.bulk_create(
        TransactionEvent(
            transaction=transaction,
            seq_no=n,
            kind="Updated",
            occurred_at=stamp(n).occurred_at,
            received_at=stamp(n).received_at,
            digest=b"x" * 16,
        )
        for n in seconds
    )
    Transaction.objects.filter(pk=transaction.pk).update(last_seq_no=seconds[-1], event_count=seconds[-1] + 1)


# -- by the wire ----------------------------------------------------------------------------------------------


def test_p127_a_token_of_the_master_pass_group_may_stop_any_transaction(
    charger: Charger, alice: Actor
) -> None:
    group = tokens.create_group(name="Master", token="MASTER", master_pass=True, by=alice)
    driver, master = make_token(alice), make_token(alice, group=group)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        shown = {"idToken": driver.value, "type": driver.type}
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started", idToken=shown))
        shown = {"idToken": master.value, "type": master.type}
        answer = socket.call("TransactionEvent", wire("v201/TransactionEvent.ended", idToken=shown))

    assert answer["idTokenInfo"] == {
        "status": "Accepted",
        "groupIdToken": {"idToken": "MASTER", "type": "Central"},
    }
    transaction = Transaction.objects.get(station=charger.station)
    assert (transaction.status, transaction.stop_token_value) == ("ended", master.value)
    assert "unrelated_stop_token" not in transaction.flags


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_p161_a_status_of_messages_queued_keeps_the_session_open(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started"))
        intent = Call(action="GetTransactionStatus", payload={"transactionId": "tx-1"})
        _, command = ask(charger, socket, alice, intent, {"ongoingIndicator": False, "messagesInQueue": True})
        assert command.status == "accepted"
        assert Transaction.objects.get(station=charger.station).status == "active"

        socket.call("TransactionEvent", wire("v201/TransactionEvent.ended", offline=True))
    assert Transaction.objects.get(station=charger.station).status == "ended"


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_p156_a_session_that_began_offline_is_shown_once_it_reports_online(
    charger: Charger, version: str
) -> None:
    evse = Evse.objects.filter(station=charger.station, evse_id=1)
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started", offline=True))
        assert evse.get().active is None
        socket.call("TransactionEvent", wire("v201/TransactionEvent.updated"))
        assert (evse.get().active.reference, evse.get().energy_wh) == ("tx-1", Decimal(600))

        socket.call("TransactionEvent", wire("v201/TransactionEvent.ended", offline=True))
    assert evse.get().active is None
