"""Messages on displays, and what a running session costs so far (blocks O and I)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from core import clock
from core.access import Actor, Role
from core.errors import Conflict, DomainError, Invalid, NotFound, NotPermitted
from core.models import Organization
from stations.domain import intents
from stations.domain.displays import DisplayText
from stations.models import DisplayMessage, Transaction
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import VERSIONS_2X, ask, ended, issue, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire

ACCEPTED = {"status": "Accepted"}


def wanted(text: str = "Hello", **changes: Any) -> intents.SetDisplayMessage:
    return intents.SetDisplayMessage(texts=(DisplayText(text=text, language="en"),), **changes)


def kept(charger: Charger) -> dict[int, DisplayMessage]:
    return {row.number: row for row in DisplayMessage.objects.filter(station=charger.station)}


def answer_reading(socket: WireStation, *messages: Any, status: str = "Accepted") -> list[Any]:
    """The next GetDisplayMessages, answered and reported in one part."""
    call = socket.next_call()
    assert call[2] == "GetDisplayMessages"
    socket.reply(call, {"status": status})
    if messages:
        told = {"requestId": call[3]["requestId"], "messageInfo": list(messages)}
        assert socket.call("NotifyDisplayMessages", told) == {}
    return call


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_message_is_installed_and_seen_once_it_is_read_back(
    charger: Charger, alice: Actor, version: str
) -> None:
    until = clock.now() + timedelta(hours=2)
    intent = wanted(priority="in_front", state="charging", ends_at=until, component="Display", evse_id=1)
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intent, ACCEPTED)
        before = kept(charger)[call[3]["message"]["id"]].status
        reading = answer_reading(socket, call[3]["message"])
        with_effect(command)

    (row,) = kept(charger).values()
    assert call[2:] == [
        "SetDisplayMessage",
        {
            "message": {
                "id": row.number,
                "priority": "InFront",
                "state": "Charging",
                "endDateTime": clock.to_wire(until),
                "message": {"format": "UTF8", "content": "Hello", "language": "en"},
                "display": {"name": "Display", "evse": {"id": 1}},
            }
        },
    ]
    assert reading[3]["id"] == [row.number]
    assert (before, row.status, row.text, row.priority) == ("installed", "installed", "Hello", "in_front")
    assert 0 < row.number < 2**31
    assert command.effect == "seen"


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    "word",
    [
        "NotSupportedMessageFormat",
        "Rejected",
        "NotSupportedPriority",
        "NotSupportedState",
        "UnknownTransaction",
    ],
)
def test_a_refused_message_says_why(charger: Charger, alice: Actor, version: str, word: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, wanted(), {"status": word})
        socket.call("Heartbeat", {})
        assert not socket.calls

    (row,) = kept(charger).values()
    assert command.status == "rejected"
    assert (row.status, row.detail) == ("refused", word)


def test_a_message_in_several_languages_is_for_21_only(charger: Charger, alice: Actor) -> None:
    texts = (DisplayText(text="Hello", language="en"), DisplayText(text="Hallo", language="de"))
    intent = intents.SetDisplayMessage(texts=texts, state="suspended")
    with charger.dial("2.1") as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intent, {"status": "LanguageNotSupported"})
    with charger.dial("2.0.1") as socket:
        socket.boot()
        earlier = ended(issue(charger, alice, intent))

    assert call[3]["message"]["messageExtra"] == [{"format": "UTF8", "content": "Hallo", "language": "de"}]
    assert call[3]["message"]["state"] == "Suspended"
    assert (command.status, command.response["status"]) == ("rejected", "LanguageNotSupported")
    assert earlier.status == "not_supported"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_replacement_has_the_same_number_and_a_refused_one_leaves_the_message(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        first, _ = ask(charger, socket, alice, wanted("One"), ACCEPTED)
        answer_reading(socket, first[3]["message"])
        pk = kept(charger)[first[3]["message"]["id"]].pk
        ask(charger, socket, alice, wanted("Two", display_message=pk), {"status": "Rejected"})
        (unchanged,) = kept(charger).values()
        third, _ = ask(charger, socket, alice, wanted("Three", display_message=pk), ACCEPTED)

    (row,) = kept(charger).values()
    assert third[3]["message"]["id"] == first[3]["message"]["id"]
    assert (unchanged.status, unchanged.text) == ("installed", "One")
    assert (row.status, row.text) == ("installed", "Three")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_another_text_than_was_sent_is_shown_as_it_is_and_is_no_effect(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, wanted("Long words"), ACCEPTED)
        message = call[3]["message"]
        answer_reading(socket, {**message, "message": {**message["message"], "content": "Long"}})

    command.refresh_from_db()
    (row,) = kept(charger).values()
    assert row.text == "Long"
    assert command.effect == ""


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_whole_report_shows_what_is_there_and_what_is_gone(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        first, _ = ask(charger, socket, alice, wanted("Old"), ACCEPTED)
        answer_reading(socket, first[3]["message"])
        call, command = ask(charger, socket, alice, intents.GetDisplayMessages(), ACCEPTED)
        request = call[3]["requestId"]
        part = wire("v201/NotifyDisplayMessages.welcome", requestId=request, tbc=True)
        answers = [socket.call("NotifyDisplayMessages", part) for _ in range(2)]
        between = kept(charger)[first[3]["message"]["id"]].status
        socket.call("NotifyDisplayMessages", {"requestId": request})
        with_effect(command)

    rows = kept(charger)
    assert answers == [{}, {}]
    assert between == "installed"
    assert rows[first[3]["message"]["id"]].status == "cleared"
    assert (rows[90].status, rows[90].text, rows[90].state, rows[90].evse_id) == (
        "installed",
        "Willkommen",
        "idle",
        1,
    )
    assert len(rows) == 2


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_report_of_one_priority_says_nothing_of_the_others(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        first, _ = ask(charger, socket, alice, wanted("Stays"), ACCEPTED)
        answer_reading(socket, first[3]["message"])
        reading = intents.GetDisplayMessages(priority="in_front")
        call, command = ask(charger, socket, alice, reading, {"status": "Unknown"})
        stays = kept(charger)[first[3]["message"]["id"]].status
        _, empty = ask(charger, socket, alice, intents.GetDisplayMessages(), {"status": "Unknown"})

    assert call[3]["priority"] == "InFront"
    assert (command.status, command.response) == ("accepted", {"status": "Unknown"})
    assert stays == "installed"
    assert kept(charger)[first[3]["message"]["id"]].status == "cleared"
    assert with_effect(empty).effect == "seen"


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("word", "status", "left"), [("Accepted", "accepted", "cleared"), ("Unknown", "rejected", "cleared")]
)
def test_a_message_that_is_cleared_or_unknown_is_gone(
    charger: Charger, alice: Actor, version: str, word: str, status: str, left: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        first, _ = ask(charger, socket, alice, wanted(), ACCEPTED)
        number = first[3]["message"]["id"]
        answer_reading(socket, first[3]["message"])
        clear = intents.ClearDisplayMessage(display_message=kept(charger)[number].pk)
        call, command = ask(charger, socket, alice, clear, {"status": word})
        with pytest.raises(Conflict):
            issue(charger, alice, clear)

    assert call[2:] == ["ClearDisplayMessage", {"id": number}]
    assert (command.status, kept(charger)[number].status) == (status, left)


def test_a_21_station_may_refuse_to_clear_and_keeps_the_message(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        first, _ = ask(charger, socket, alice, wanted(), ACCEPTED)
        answer_reading(socket, first[3]["message"])
        (row,) = kept(charger).values()
        clear = intents.ClearDisplayMessage(display_message=row.pk)
        ask(charger, socket, alice, clear, {"status": "Rejected"})

    row.refresh_from_db()
    assert row.status == "installed"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_station_without_a_display_says_so_and_the_message_failed(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, wanted())
        call = socket.next_call()
        socket.send([4, call[1], "NotImplemented", "no display", {}])
        ended(command)

    (row,) = kept(charger).values()
    assert (command.status, command.error["code"]) == ("failed", "NotImplemented")
    assert row.status == "failed"


def test_words_that_ocpp_has_not_are_refused_before_anything_is_noted(charger: Charger, alice: Actor) -> None:
    past = clock.now() - timedelta(minutes=1)
    for odd, field in (
        (wanted(priority="urgent"), "priority"),
        (wanted(state="asleep"), "state"),
        (wanted(""), "text"),
        (wanted(ends_at=past), "ends_at"),
    ):
        with pytest.raises(Invalid) as refused:
            issue(charger, alice, odd)
        assert refused.value.field == field
    assert kept(charger) == {}


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"requestId": "seven"}, "TypeConstraintViolation"),
        ({"tbc": "yes"}, "TypeConstraintViolation"),
        ({"messageInfo": []}, "OccurrenceConstraintViolation"),
    ],
)
def test_a_wrong_report_is_refused_and_leaves_nothing(
    charger: Charger, version: str, changes: dict[str, Any], code: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call("NotifyDisplayMessages", wire("v201/NotifyDisplayMessages.welcome", **changes))

    assert refused.value.code == code
    assert kept(charger) == {}


def test_a_lenient_station_may_report_in_words_of_its_own(charger: Charger) -> None:
    charger.set(lenient=True)
    told = wire("v201/NotifyDisplayMessages.welcome")
    told["messageInfo"][0]["priority"] = "Loud"
    with charger.dial("2.0.1") as socket:
        socket.boot()
        assert socket.call("NotifyDisplayMessages", told) == {}

    assert kept(charger)[90].priority == "Loud"


def started(socket: WireStation, charger: Charger) -> Transaction:
    """A session that runs at the station, with the station's name for it."""
    socket.call("TransactionEvent", wire("v201/TransactionEvent.started"))
    return Transaction.objects.get(station=charger.station)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_the_running_cost_is_told_under_the_name_of_the_session(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        session = started(socket, charger)
        intent = intents.CostUpdated(transaction=session.pk, total_cost=Decimal("4.20"))
        call, command = ask(charger, socket, alice, intent, {})

    assert call[2:] == ["CostUpdated", {"totalCost": 4.2, "transactionId": session.reference}]
    assert command.status == "accepted"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_cost_that_the_station_cannot_place_changes_nothing_of_the_session(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        session = started(socket, charger)
        intent = intents.CostUpdated(transaction=session.pk, total_cost=Decimal("4.20"))
        command = issue(charger, alice, intent)
        call = socket.next_call()
        socket.send([4, call[1], "GenericError", "no such transaction", {}])
        ended(command)
        with pytest.raises(NotFound):
            issue(charger, alice, intents.CostUpdated(transaction=uuid4(), total_cost=Decimal(1)))
        with pytest.raises(Invalid):
            issue(charger, alice, intents.CostUpdated(transaction=session.pk, total_cost=Decimal(-1)))
        assert socket.call("Heartbeat", {})["currentTime"]

    session.refresh_from_db()
    assert (command.status, session.status) == ("failed", "active")


@pytest.mark.parametrize(
    "intent",
    [
        wanted(),
        intents.GetDisplayMessages(),
        intents.ClearDisplayMessage(display_message=UUID(int=1)),
        intents.CostUpdated(transaction=UUID(int=1), total_cost=Decimal(1)),
    ],
)
def test_strangers_members_of_other_sites_and_viewers_say_nothing(
    charger: Charger, alice: Actor, intent: intents.Intent
) -> None:
    charlie = make_actor(make_organization(), name="charlie")
    vera = make_actor(Organization.objects.get(pk=alice.organization_id), Role.VIEWER, "vera")
    elsewhere = replace(alice, limited_to=frozenset({uuid4()}))
    expected: tuple[tuple[Actor, type[DomainError]], ...] = (
        (charlie, NotFound),
        (elsewhere, NotFound),
        (vera, NotPermitted),
    )
    for actor, refusal in expected:
        with pytest.raises(refusal):
            issue(charger, actor, intent)
    assert kept(charger) == {}
