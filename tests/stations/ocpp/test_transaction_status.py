"""GetTransactionStatus: asked by people and after a reconnect; what is kept of the answer (E14, P161)."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from core import clock
from core.access import Actor, Role
from core.errors import DomainError, Invalid, NotFound, NotPermitted
from core.models import Organization
from stations.domain import intents
from stations.domain.repairs import Evidence
from stations.models import ChargingStation, Command, StatusAnswer, Transaction
from stations.services import transactions
from stations.services.transactions import asking, evidence
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import VERSIONS_2X, ask, ended, issue, now
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import WireStation
from tests.wire.golden import wire

LATER = timedelta(minutes=1)


def session_of(charger: Charger) -> Transaction:
    return Transaction.objects.select_related("station", "evse").get(station=charger.station)


def start(socket: WireStation) -> None:
    socket.call("TransactionEvent", wire("v201/TransactionEvent.started", timestamp=now()))


def end(socket: WireStation) -> None:
    socket.call("TransactionEvent", wire("v201/TransactionEvent.ended", timestamp=now()))


def reasons(charger: Charger, by: Actor) -> list[Evidence]:
    return evidence.of(session_of(charger), by, clock.now()).reasons


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ongoingIndicator": True, "messagesInQueue": True}, (True, True)),
        ({"ongoingIndicator": True, "messagesInQueue": False}, (True, False)),
        ({"ongoingIndicator": False, "messagesInQueue": True}, (False, True)),
        ({"ongoingIndicator": False, "messagesInQueue": False}, (False, False)),
        ({"messagesInQueue": False}, (None, False)),
    ],
)
def test_p161_every_answer_about_a_session_is_kept_and_ends_nothing(
    charger: Charger, alice: Actor, version: str, answer: dict[str, bool], expected: tuple[bool | None, bool]
) -> None:
    """TC_E_29, TC_E_30, TC_E_31."""
    with charger.dial(version) as socket:
        socket.boot()
        start(socket)
        session = session_of(charger)
        call, command = ask(
            charger, socket, alice, intents.GetTransactionStatus(transaction=session.pk), answer
        )

    told = StatusAnswer.objects.get(transaction=session)
    assert call[2:] == ["GetTransactionStatus", {"transactionId": session.reference}]
    assert (command.status, command.transaction_id) == ("accepted", session.pk)
    assert (told.ongoing, told.messages_in_queue) == expected
    assert session_of(charger).status == "active"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p161_a_denied_session_with_messages_queued_gets_its_end_from_the_queue(
    charger: Charger, alice: Actor, version: str
) -> None:
    """TC_E_31."""
    with charger.dial(version) as socket:
        socket.boot()
        start(socket)
        intent = intents.GetTransactionStatus(transaction=session_of(charger).pk)
        ask(charger, socket, alice, intent, {"ongoingIndicator": False, "messagesInQueue": True})
        open_before = session_of(charger).status
        assert Evidence.STATION_DENIES not in reasons(charger, alice)
        end(socket)

    assert (open_before, session_of(charger).status) == ("active", "ended")
    assert "conflicting_end" not in session_of(charger).flags


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p161_a_denied_session_with_an_empty_queue_is_for_a_person_and_stays_open(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        start(socket)
        session = session_of(charger)
        assert session not in evidence.needing(alice, clock.now())
        intent = intents.GetTransactionStatus(transaction=session.pk)
        ask(charger, socket, alice, intent, {"ongoingIndicator": False, "messagesInQueue": False})

    assert session_of(charger).status == "active"
    assert session in evidence.needing(alice, clock.now())
    assert Evidence.STATION_DENIES in reasons(charger, alice)


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("queued", [True, False])
def test_p161_without_a_session_the_station_tells_of_its_queue_alone(
    charger: Charger, alice: Actor, version: str, queued: bool
) -> None:
    """TC_E_33, TC_E_34."""
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(
            charger, socket, alice, intents.GetTransactionStatus(), {"messagesInQueue": queued}
        )

    told = StatusAnswer.objects.get(station=charger.station)
    assert call[2:] == ["GetTransactionStatus", {}]
    assert command.status == "accepted"
    assert (told.transaction, told.ongoing, told.messages_in_queue) == (None, None, queued)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p161_a_session_said_to_be_running_is_not_given_up_after_the_grace_time(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        start(socket)
        long_ago = clock.now() - timedelta(hours=30)
        Transaction.objects.filter(station=charger.station).update(last_event_at=long_ago)
        ChargingStation.objects.filter(pk=charger.station.pk).update(
            booted_at=clock.now() - timedelta(hours=25)
        )
        intent = intents.GetTransactionStatus(transaction=session_of(charger).pk)
        ask(charger, socket, alice, intent, {"ongoingIndicator": True, "messagesInQueue": False})
        transactions.orphan_overdue(clock.now())
        spared = session_of(charger).status
        StatusAnswer.objects.filter(station=charger.station).update(answered_at=long_ago)
        transactions.orphan_overdue(clock.now())

    assert (spared, session_of(charger).status) == ("active", "orphaned")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_after_a_reconnect_the_station_is_asked_once_about_sessions_that_it_does_not_mention(
    charger: Charger, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        start(socket)
        asking.ask_after_reconnect(clock.now() + LATER)
        socket.call("Heartbeat", {})
        assert list(socket.calls) == []
    with charger.dial(version) as socket:
        socket.call("Heartbeat", {})
        asking.ask_after_reconnect(clock.now())
        socket.call("Heartbeat", {})
        assert list(socket.calls) == []  # not before it has settled
        for _ in range(2):
            asking.ask_after_reconnect(clock.now() + LATER)
        call = socket.next_call()
        socket.reply(call, {"ongoingIndicator": True, "messagesInQueue": False})
        command = Command.objects.get(station=charger.station)
        ended(command)
        socket.call("Heartbeat", {})

    assert call[2:] == ["GetTransactionStatus", {"transactionId": session_of(charger).reference}]
    assert (command.issued_by, list(socket.calls)) == ("system:sessions", [])
    assert StatusAnswer.objects.get(transaction__station=charger.station).ongoing is True


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_after_a_boot_the_station_is_asked_too(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        start(socket)
    with charger.dial(version) as socket:
        socket.boot()
        asking.ask_after_reconnect(clock.now() + LATER)
        assert socket.next_call()[2] == "GetTransactionStatus"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_session_that_goes_on_after_the_reconnect_is_not_asked_about(
    charger: Charger, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        start(socket)
    with charger.dial(version) as socket:
        updated = wire("v201/TransactionEvent.started", eventType="Updated", seqNo=1, timestamp=now())
        socket.call("TransactionEvent", updated)
        asking.ask_after_reconnect(clock.now() + LATER)
        socket.call("Heartbeat", {})

    assert list(socket.calls) == []


def test_a_1_6_station_is_never_asked(charger: Charger, alice: Actor) -> None:
    with charger.dial() as socket:
        socket.boot()
        socket.call("StartTransaction", wire("v16/StartTransaction.plain", timestamp=now()))
    with charger.dial() as socket:
        socket.call("Heartbeat", {})
        asking.ask_after_reconnect(clock.now() + LATER)
        command = issue(charger, alice, intents.GetTransactionStatus())
        socket.call("Heartbeat", {})
        with pytest.raises(Invalid):
            issue(charger, alice, intents.GetTransactionStatus(transaction=session_of(charger).pk))

    assert list(socket.calls) == []
    assert command.status == "not_supported"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_question_that_fails_leaves_the_last_answer(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        start(socket)
        intent = intents.GetTransactionStatus(transaction=session_of(charger).pk)
        ask(charger, socket, alice, intent, {"ongoingIndicator": True, "messagesInQueue": False})
        before = StatusAnswer.objects.get(transaction__station=charger.station)
        command = issue(charger, alice, intent)
        socket.send([4, socket.next_call()[1], "InternalError", "", {}])
        ended(command)

    after = StatusAnswer.objects.get(transaction__station=charger.station)
    assert command.status == "failed"
    assert (after.ongoing, after.answered_at) == (before.ongoing, before.answered_at)


def test_a_stranger_and_who_may_not_cannot_ask(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        start(socket)
    organization = Organization.objects.get(pk=alice.home)
    charlie = make_actor(make_organization(), name="charlie")
    viewer = make_actor(organization, Role.VIEWER, "vera")
    intent = intents.GetTransactionStatus(transaction=session_of(charger).pk)
    tries: list[tuple[type[DomainError], Callable[[], object]]] = [
        (NotFound, lambda: issue(charger, charlie, intent)),
        (NotPermitted, lambda: issue(charger, viewer, intent)),
        (
            NotFound,
            lambda: issue(charger, alice, intents.GetTransactionStatus(transaction=charger.station.pk)),
        ),
    ]
    for error, attempt in tries:
        with pytest.raises(error):
            attempt()

    assert not Command.objects.filter(station=charger.station).exists()
