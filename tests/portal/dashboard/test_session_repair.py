"""Sessions without an end: their list, what speaks for their end, and the operator's decision."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from core import clock
from core.access import Role
from core.models import AuditEntry, Membership, Organization
from stations.models import (
    ChargingStation,
    Command,
    Evse,
    MeterReading,
    OrphanStop,
    Presence,
    SessionDecision,
    StatusAnswer,
    Transaction,
)
from tests import factories

HTMX = {"HX-Request": "true"}
HOUR = timedelta(hours=1)
WHY = {"reason": "The charger burnt down."}


def make_session(station: ChargingStation, evse: Evse, began: timedelta, reference: str) -> Transaction:
    at = clock.now() - began
    return Transaction.objects.create(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station=station,
        evse=evse,
        reference=reference,
        token_value="04A1B2C3D4",
        started_at=at,
        start_received_at=at,
        last_event_at=at + HOUR,
        meter_start_wh=1000,
        meter_start_at=at,
        meter_last_wh=3500,
        meter_last_at=at + HOUR,
        energy_wh=2500,
    )


@pytest.fixture
def session(station: ChargingStation, evse: Evse) -> Transaction:
    """Silent for two days."""
    return make_session(station, evse, 48 * HOUR, "tx-stuck")


@pytest.fixture
def page(home: str, session: Transaction) -> str:
    return f"{home}sessions/{session.pk}/repair/"


def read(browser: Client, path: str, **headers: str) -> str:
    answer = browser.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def now_is(session: Transaction) -> tuple[str, Decimal | None]:
    session.refresh_from_db()
    return session.status, session.energy_wh


def test_the_list_shows_what_needs_somebody_and_nothing_else(
    browser: Client, home: str, station: ChargingStation, session: Transaction
) -> None:
    running = make_session(station, station.evses.get(evse_id=2), HOUR, "tx-running")
    text = read(browser, f"{home}sessions/repair/")

    assert f"sessions/{session.pk}/repair/" in text
    assert str(running.pk) not in text
    assert "Without an end" in read(browser, f"{home}sessions/")


def test_an_empty_list_says_so(browser: Client, home: str) -> None:
    assert "No session needs you" in read(browser, f"{home}sessions/repair/")


def test_what_speaks_for_the_end_is_shown_with_all_that_is_known(
    browser: Client, page: str, station: ChargingStation, evse: Evse, session: Transaction
) -> None:
    Transaction.objects.filter(pk=session.pk).update(status="orphaned")
    newer = make_session(station, evse, 2 * HOUR, "tx-newer")
    Transaction.objects.filter(pk=newer.pk).update(meter_start_wh=7777)
    StatusAnswer.objects.create(
        station=station, transaction=session, ongoing=False, messages_in_queue=False, answered_at=clock.now()
    )
    MeterReading.objects.create(
        station=station,
        evse_id=1,
        transaction=session,
        occurred_at=session.last_event_at,
        received_at=session.last_event_at,
        energy_wh=3333,
        samples=[],
        digest=0,
    )
    text = read(browser, page)

    assert "Newer sessions began at the same outlet." in text
    assert "it has nothing more to tell" in text
    assert "it is over" in text
    assert "no messages are queued" in text
    assert "7.777" in text
    assert "3.333" in text
    assert f"sessions/{newer.pk}/" in text


def test_a_running_session_shows_nothing_that_speaks_for_its_end(
    browser: Client, home: str, station: ChargingStation, evse: Evse
) -> None:
    running = make_session(station, evse, HOUR, "tx-running")

    assert "Nothing: the session runs." in read(browser, f"{home}sessions/{running.pk}/repair/")


def test_the_fragment_equals_the_part_of_the_page(browser: Client, page: str) -> None:
    fragment = read(browser, page, **HTMX)

    assert fragment.strip().startswith('<div class="stack" id="evidence"')
    assert "<html" not in fragment
    assert "Decide" not in fragment


@pytest.mark.parametrize(
    ("form", "energy_wh", "kind"),
    [
        ({"decision": "last_reading"}, 2500, "last_reading"),
        ({"decision": "given_reading", "register_kwh": "6,5"}, 5500, "given_reading"),
        ({"decision": "given_reading", "register_kwh": "2.25"}, 1250, "given_reading"),
    ],
)
def test_a_session_is_ended_by_hand(
    browser: Client, page: str, session: Transaction, form: dict[str, str], energy_wh: int, kind: str
) -> None:
    answer = browser.post(f"{page}decide/", {**form, **WHY})
    text = read(browser, page)

    assert answer.status_code == 302
    assert now_is(session) == ("ended", energy_wh)
    assert SessionDecision.objects.get(transaction=session).kind == kind
    assert (
        AuditEntry.objects.get(action="transaction.closed", object_id=str(session.pk)).reason == WHY["reason"]
    )
    assert "The session has ended." in text
    assert WHY["reason"] in text
    assert 'name="decision"' not in text


def test_a_session_is_ended_with_a_stop_that_fits(browser: Client, page: str, session: Transaction) -> None:
    at = session.started_at + 3 * HOUR
    stop = OrphanStop.objects.create(
        station=session.station,
        number=-1,
        meter_stop_wh=5000,
        occurred_at=at,
        received_at=at,
        suggested=session,
    )
    assert str(stop.pk) in read(browser, page)
    browser.post(f"{page}decide/", {"decision": "joined_stop", "stop": str(stop.pk), **WHY})

    assert now_is(session) == ("ended", 4000)
    assert session.ended_at == at


def test_a_session_is_left_waiting(browser: Client, home: str, page: str, session: Transaction) -> None:
    browser.post(f"{page}decide/", {"decision": "wait", "hours": "72", **WHY})

    assert now_is(session)[0] == "active"
    assert "Left waiting until" in read(browser, page)
    assert str(session.pk) not in read(browser, f"{home}sessions/repair/")


BAD = [
    ({"decision": "last_reading", "reason": " "}, 422),
    ({"decision": "given_reading"}, 422),
    ({"decision": "given_reading", "register_kwh": "much"}, 422),
    ({"decision": "given_reading", "register_kwh": "nan"}, 422),
    ({"decision": "given_reading", "register_kwh": "0,5"}, 422),
    ({"decision": "given_reading", "register_kwh": "1e12"}, 422),
    ({"decision": "joined_stop"}, 422),
    ({"decision": "joined_stop", "stop": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}, 404),
    ({"decision": "wait", "hours": "5"}, 422),
    ({"decision": "wait", "hours": "²"}, 422),
    ({"decision": "forget"}, 422),
]


@pytest.mark.parametrize(("form", "status"), BAD)
def test_bad_input_is_told_and_decides_nothing(
    browser: Client, page: str, session: Transaction, form: dict[str, str], status: int
) -> None:
    assert browser.post(f"{page}decide/", {**WHY, **form}).status_code == status
    assert now_is(session) == ("active", 2500)
    assert not SessionDecision.objects.filter(transaction=session).exists()


def test_what_has_ended_is_not_decided_again(browser: Client, page: str, session: Transaction) -> None:
    browser.post(f"{page}decide/", {"decision": "last_reading", **WHY})

    assert browser.post(f"{page}decide/", {"decision": "last_reading", **WHY}).status_code == 409
    assert SessionDecision.objects.filter(transaction=session).count() == 1


def test_the_station_is_asked_and_its_answer_shown_on_the_session_and_the_station(
    browser: Client, home: str, page: str, station: ChargingStation, session: Transaction
) -> None:
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.1", epoch=1)
    text = browser.post(f"{page}ask/", headers=HTMX).content.decode()
    command = Command.objects.get(station=station)
    for about in (session, None):
        StatusAnswer.objects.create(
            station=station,
            transaction=about,
            ongoing=True if about else None,
            messages_in_queue=True,
            answered_at=clock.now(),
        )

    assert (command.command, command.transaction) == ("get_transaction_status", session)
    assert str(command.pk) in text
    assert "it is running, messages are queued" in read(browser, f"{home}sessions/{session.pk}/")
    assert "messages are queued" in read(browser, f"{home}stations/{station.pk}/transactions/")


def test_a_1_6_station_cannot_be_asked(browser: Client, page: str, session: Transaction) -> None:
    Transaction.objects.filter(pk=session.pk).update(number=4711)

    assert "cannot be asked" in read(browser, page)
    assert browser.post(f"{page}ask/").status_code == 422
    assert not Command.objects.filter(station=session.station).exists()


def test_who_may_not_decides_and_asks_nothing(
    organization: Organization,
    browser_of: Callable[[Membership], Client],
    viewer: Client,
    charlie: Client,
    page: str,
    session: Transaction,
) -> None:
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    billing = browser_of(factories.make_member(organization, Role.BILLING, "bella"))
    form = {"decision": "last_reading", **WHY}

    assert 'name="decision"' not in read(bob, page)
    assert 'name="decision"' in read(billing, page)
    assert bob.post(f"{page}decide/", form).status_code == 403
    assert viewer.post(f"{page}decide/", form).status_code == 403
    assert viewer.post(f"{page}ask/").status_code == 403
    assert charlie.get(page).status_code == 404
    assert charlie.post(f"{page}decide/", form).status_code == 404
    assert charlie.post(f"{page}ask/").status_code == 404
    assert now_is(session) == ("active", 2500)
    assert not SessionDecision.objects.filter(transaction=session).exists()
    assert not Command.objects.filter(station=session.station).exists()
    assert billing.post(f"{page}decide/", form).status_code == 302


def test_the_pages_are_told_in_german(browser: Client, home: str, page: str) -> None:
    browser.post(f"{home}preferences/", {"language": "de"})
    text = read(browser, page)

    assert "Was für sein Ende spricht" in text
    assert "Einen Tag lang war nichts von ihm zu hören." in text
    assert "What speaks for its end" not in text
    assert "Ladevorgänge ohne Ende" in read(browser, f"{home}sessions/repair/")
