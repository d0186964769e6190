"""Sessions that cannot end by themselves: what speaks for their end, what an operator decides, what a late end does."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from stations.domain.repairs import Evidence
from stations.models import Evse, OrphanStop, SessionDecision, Transaction
from stations.services import transactions
from stations.services.transactions import evidence
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import WireStation

TAG = "NOBODY"
HOUR = timedelta(hours=1)


def at(hours: float) -> str:
    """So many hours ago."""
    return clock.to_wire(clock.now() - timedelta(hours=hours))


def event(kind: str, seq_no: int, hours: float, register: int, reference: str = "tx-1") -> dict[str, Any]:
    sample = {
        "value": register,
        "measurand": "Energy.Active.Import.Register",
        "unitOfMeasure": {"unit": "Wh"},
    }
    return {
        "eventType": kind,
        "timestamp": at(hours),
        "triggerReason": "MeterValuePeriodic",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": reference},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at(hours), "sampledValue": [sample]}],
    }


def begin(socket: WireStation, hours: float, register: int, reference: str = "tx-1") -> None:
    if socket.version == "1.6":
        socket.call(
            "StartTransaction",
            {"connectorId": 1, "idTag": TAG, "meterStart": register, "timestamp": at(hours)},
        )
    else:
        socket.call("TransactionEvent", event("Started", 0, hours, register, reference))


def measure(socket: WireStation, charger: Charger, hours: float, register: int) -> None:
    if socket.version == "1.6":
        sample = {"value": str(register)}
        number = first(charger).number
        values = [{"timestamp": at(hours), "sampledValue": [sample]}]
        socket.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": values})
    else:
        socket.call("TransactionEvent", event("Updated", 1, hours, register))


def finish(socket: WireStation, charger: Charger, hours: float, register: int) -> None:
    if socket.version == "1.6":
        number = first(charger).number
        socket.call(
            "StopTransaction", {"transactionId": number, "meterStop": register, "timestamp": at(hours)}
        )
    else:
        socket.call("TransactionEvent", event("Ended", 2, hours, register))


def first(charger: Charger) -> Transaction:
    found = Transaction.objects.filter(station=charger.station).select_related("station", "evse")
    session = found.order_by("started_at").first()
    assert session is not None
    return session


def case(charger: Charger, by: Actor) -> evidence.Case:
    return evidence.of(first(charger), by, clock.now())


def listed(charger: Charger, by: Actor) -> bool:
    return evidence.needing(by, clock.now()).filter(pk=first(charger).pk).exists()


# -- what speaks for an end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_running_session_needs_nobody(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        begin(socket, 1, 1000)
        measure(socket, charger, 0.5, 3000)

    assert not listed(charger, alice)
    assert case(charger, alice).reasons == []
    assert case(charger, alice).last_reading is not None


@pytest.mark.parametrize("version", VERSIONS)
def test_a_newer_session_at_the_outlet_speaks_for_the_end_of_the_former(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        begin(socket, 2, 1000)
        measure(socket, charger, 1.5, 3000)
        begin(socket, 1, 5000, "tx-2")
        measured = case(charger, alice)

    assert listed(charger, alice)
    assert measured.reasons == [Evidence.GIVEN_UP, Evidence.NEWER_SESSION]
    assert [one.meter_start_wh for one in measured.following] == [5000]
    assert measured.last_reading is not None
    assert measured.last_reading.energy_wh == 3000
    assert measured.can_be_asked is (version != "1.6")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_that_is_silent_for_the_grace_time_is_listed(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        begin(socket, 30, 1000)
        silent = listed(charger, alice), case(charger, alice).reasons
        measure(socket, charger, 0.1, 3000)

    assert silent == (True, [Evidence.SILENT])
    assert not listed(charger, alice)


@pytest.mark.parametrize("version", VERSIONS)
def test_p194_a_connector_that_is_free_again_is_evidence_and_ends_nothing(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        begin(socket, 2, 1000)
        told = (
            {"connectorId": 1, "status": "Available", "errorCode": "NoError", "timestamp": at(1)}
            if version == "1.6"
            else {"evseId": 1, "connectorId": 1, "connectorStatus": "Available", "timestamp": at(1)}
        )
        socket.call("StatusNotification", told)

    assert first(charger).status == "active"
    assert listed(charger, alice)
    assert Evidence.CONNECTOR_FREE in case(charger, alice).reasons
    assert case(charger, alice).free_since is not None


def test_p145_a_stop_without_a_start_is_evidence_until_an_operator_confirms_it(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial() as socket:
        socket.boot()
        begin(socket, 2, 1000)
        stop = {"transactionId": -1, "idTag": TAG, "meterStop": 4000, "timestamp": at(1)}
        socket.call("StopTransaction", stop)
        found = case(charger, alice)
        assert (found.reasons, listed(charger, alice)) == ([Evidence.STOP_WITHOUT_START], True)
        transactions.confirm(found.stops[0], first(charger), by=alice, reason="The driver says so.")

    session = first(charger)
    assert (session.status, session.energy_wh, session.flags) == (
        "ended",
        3000,
        ["not_authorized", "stop_joined"],
    )
    assert OrphanStop.objects.get(station=charger.station).joined == session
    assert [one.kind for one in session.decisions.all()] == ["joined_stop"]
    assert not listed(charger, alice)


# -- what an operator decides ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_closed_with_its_last_reading(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        begin(socket, 2, 1000)
        measure(socket, charger, 1, 3500)
        transactions.close_stuck(first(charger), by=alice, reason="The charger burnt down.")

    session = first(charger)
    assert (session.status, session.energy_wh, session.meter_stop_wh) == ("ended", 2500, 3500)
    assert session.stopped_reason == "ClosedByOperator"
    assert Evse.objects.get(station=charger.station, evse_id=1).active is None
    decision = SessionDecision.objects.get(transaction=session)
    assert (decision.kind, decision.decided_by, decision.reason, decision.meter_stop_wh) == (
        "last_reading", alice.label, "The charger burnt down.", None,
    )  # fmt: skip
    entry = AuditEntry.objects.get(object_id=str(session.pk), action="transaction.closed")
    assert (entry.actor, entry.reason) == (alice.label, "The charger burnt down.")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("register", [2200, 6000])
def test_a_session_is_closed_with_a_given_register(
    charger: Charger, alice: Actor, version: str, register: int
) -> None:
    """Below the last reading as well, which may have jumped."""
    with charger.dial(version) as socket:
        socket.boot()
        begin(socket, 2, 1000)
        measure(socket, charger, 1, 3500)
        transactions.close_stuck(
            first(charger), by=alice, reason="Read off.", meter_stop_wh=Decimal(register)
        )

    session = first(charger)
    assert (session.status, session.energy_wh, session.meter_stop_wh) == ("ended", register - 1000, register)
    entry = AuditEntry.objects.get(object_id=str(session.pk), action="transaction.closed")
    assert [Decimal(value) for value in entry.changes["meter_stop_wh"]] == [3500, register]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("register", [2200, 6000])
@pytest.mark.parametrize("hours", [1.5, 0.5])
def test_an_end_that_comes_late_outranks_the_given_register_and_is_flagged(
    charger: Charger, alice: Actor, version: str, register: int, hours: float
) -> None:
    """Whether it lies before or after the time that the operator closed the session with."""
    with charger.dial(version) as socket:
        socket.boot()
        begin(socket, 2, 1000)
        measure(socket, charger, 1.6, 3500)
        transactions.close_stuck(
            first(charger), by=alice, reason="Read off.", meter_stop_wh=Decimal(register)
        )
        finish(socket, charger, hours, 4000)
        finish(socket, charger, hours, 4000)

    session = first(charger)
    assert (session.status, session.energy_wh, session.meter_stop_wh) == ("ended", 3000, 4000)
    assert "conflicting_end" in session.flags
    assert session.stopped_reason == "Local"


@pytest.mark.parametrize("version", VERSIONS)
def test_readings_that_come_late_do_not_change_a_given_register(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        begin(socket, 2, 1000)
        transactions.close_stuck(first(charger), by=alice, reason="Read off.", meter_stop_wh=Decimal(2000))
        measure(socket, charger, 0.5, 9000)

    assert (first(charger).status, first(charger).energy_wh) == ("ended", 1000)


@pytest.mark.parametrize("version", VERSIONS)
def test_who_waits_has_the_session_off_the_list_and_it_is_not_given_up_meanwhile(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        begin(socket, 30, 1000)
        until = clock.now() + 4 * HOUR
        assert listed(charger, alice)
        transactions.keep_waiting(
            first(charger), until=until, by=alice, reason="The modem is replaced today."
        )
        waits = listed(charger, alice), case(charger, alice).waits_until
    transactions.orphan_overdue(clock.now() + 3 * HOUR)
    kept = first(charger).status

    assert waits == (False, until)
    assert kept == "active"
    assert evidence.needing(alice, until + HOUR).filter(pk=first(charger).pk).exists()
    entry = AuditEntry.objects.get(object_id=str(first(charger).pk), action="transaction.kept_waiting")
    assert (entry.actor, entry.changes) == (alice.label, {"waits_until": [None, until.isoformat()]})


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_an_end_that_comes_while_it_is_waited_for_ends_the_session(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        begin(socket, 30, 1000)
        transactions.keep_waiting(first(charger), until=clock.now() + HOUR, by=alice, reason="On its way.")
        finish(socket, charger, 29, 4000)

    assert (first(charger).status, first(charger).energy_wh) == ("ended", 3000)
    assert "conflicting_end" not in first(charger).flags


def test_what_cannot_be_decided_is_refused_and_changes_nothing(charger: Charger, alice: Actor) -> None:
    with charger.dial() as socket:
        socket.boot()
        begin(socket, 2, 1000)
    session, now = first(charger), clock.now()

    def close(**values: Any) -> Callable[[], object]:
        return lambda: transactions.close_stuck(session, by=alice, **{"reason": "Why not.", **values})

    def wait(**values: Any) -> Callable[[], object]:
        given = {"reason": "Why not.", "until": now + HOUR, **values}
        return lambda: transactions.keep_waiting(session, by=alice, **given)

    tries = [
        (close(reason="  "), "reason"),
        (close(meter_stop_wh=Decimal(999)), "meter_stop_wh"),
        (close(meter_stop_wh=Decimal(-1)), "meter_stop_wh"),
        (close(meter_stop_wh=Decimal("NaN")), "meter_stop_wh"),
        (close(meter_stop_wh=Decimal("Infinity")), "meter_stop_wh"),
        (close(meter_stop_wh=Decimal(10) ** 15), "meter_stop_wh"),
        (wait(reason=""), "reason"),
        (wait(until=now - HOUR), "until"),
        (wait(until=now + timedelta(days=31)), "until"),
    ]
    for attempt, field in tries:
        with pytest.raises(Invalid) as refused:
            attempt()
        assert refused.value.field == field

    assert first(charger).status == "active"
    assert not SessionDecision.objects.filter(transaction=session).exists()


def test_nothing_is_decided_on_what_has_ended(charger: Charger, alice: Actor) -> None:
    with charger.dial() as socket:
        socket.boot()
        begin(socket, 2, 1000)
        finish(socket, charger, 1, 4000)
    session = first(charger)
    with pytest.raises(Conflict):
        transactions.close_stuck(session, by=alice, reason="Again.", meter_stop_wh=Decimal(9000))
    with pytest.raises(Conflict):
        transactions.keep_waiting(session, until=clock.now() + HOUR, by=alice, reason="Again.")

    assert first(charger).energy_wh == 3000
    assert case(charger, alice).reasons == []


def test_a_stranger_and_who_may_not_decide_nothing(charger: Charger, alice: Actor) -> None:
    with charger.dial() as socket:
        socket.boot()
        begin(socket, 30, 1000)
        stop = {"transactionId": -1, "meterStop": 4000, "timestamp": at(1), "idTag": TAG}
        socket.call("StopTransaction", stop)
    organization = Organization.objects.get(pk=alice.home)
    charlie = make_actor(make_organization(), name="charlie")
    bob = make_actor(organization, Role.TECHNICIAN, "bob")
    session, orphan = first(charger), OrphanStop.objects.get(station=charger.station)
    for actor, error in ((charlie, NotFound), (bob, NotPermitted)):
        for attempt in (
            lambda who=actor: transactions.close_stuck(session, by=who, reason="Mischief."),
            lambda who=actor: transactions.keep_waiting(
                session, until=clock.now() + HOUR, by=who, reason="Mischief."
            ),
            lambda who=actor: transactions.confirm(orphan, session, by=who, reason="Mischief."),
        ):
            with pytest.raises(error):
                attempt()

    assert first(charger).status == "active"
    assert list(evidence.needing(charlie, clock.now())) == []
    assert not SessionDecision.objects.filter(transaction=session).exists()
