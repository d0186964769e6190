"""Reminders as billing staff see them: the settings, an invoice's steps, hold and release (B-47)."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from billing import tasks
from billing.models import DunningHold, DunningKind, DunningStep, Invoice
from billing.services import documents
from billing.services.dunning import policies, sending, working_days
from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Membership, Organization
from drivers.models import IdToken
from tests import factories
from tests.billing.pages import alice, browser, browser_of, limited, member, organization, viewer
from tests.billing.payments.conftest import Issued, issued

__all__ = ["alice", "browser", "issued", "limited", "member", "organization", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")
TERMS = {"country": "", "currency": "EUR", "reminder_days": "5", "reminder_fee": "2.50", "final_days": "20",
         "reminder_en": "Kindly pay."}  # fmt: skip


@pytest.fixture
def home(organization: Organization) -> str:
    return f"/o/{organization.slug}/"


@pytest.fixture
def overdue(issued: Issued, alice: Actor, organization: Organization) -> Invoice:
    policies.switch(organization, enabled=True, starts_on=clock.now().date(), by=alice)
    invoice = issued(driver=factories.make_driver(alice, "Dora Driver", email="dora@example.org"))
    documents.make_due()
    return invoice


@pytest.fixture
def at(overdue: Invoice, member: Membership) -> Callable[[int], Any]:
    """The browser on a working day, so many days after the due date, when the task has run."""

    def travelled(days: int) -> Any:
        assert overdue.due_on is not None
        day = working_days.from_then_on(overdue.due_on + timedelta(days=days), ("DE",))
        return time_machine.travel(datetime.combine(day, time(11), UTC))

    return travelled


def test_b47_the_settings_are_shown_and_saved_and_off_at_first(
    browser: Client, home: str, organization: Organization
) -> None:
    page = browser.get(f"{home}settings/dunning/").content.decode()
    assert 'name="reminder_days" value="7"' in page
    assert not policies.policy_of(organization).enabled

    browser.post(f"{home}settings/dunning/", {"enabled": "on", "starts_on": "2026-12-01"})
    browser.post(f"{home}settings/dunning/terms/", TERMS)
    browser.post(f"{home}settings/dunning/terms/", {**TERMS, "country": "at", "reminder_fee": ""})
    row = policies.policy_of(organization)
    assert (row.enabled, str(row.starts_on)) == (True, "2026-12-01")
    known = policies.all_terms(organization)
    assert [(one.country, [step.days for step in one.steps]) for one in known] == [
        ("", [5, 20]), ("AT", [5, 20]),
    ]  # fmt: skip
    assert known[0].steps[0].texts == {"en": "Kindly pay."}
    page = browser.get(f"{home}settings/dunning/?country=AT").content.decode()
    assert 'name="country" value="AT"' in page
    browser.post(f"{home}settings/dunning/terms/", {"drop": "1", "country": "AT"})
    assert [one.country for one in policies.all_terms(organization)] == [""]
    assert AuditEntry.objects.filter(organization=organization, action="dunning_terms.changed").count() == 2
    assert AuditEntry.objects.filter(organization=organization, action="dunning_policy.changed").count() == 1


def test_b47_wrong_terms_are_refused_at_the_form(
    browser: Client, home: str, organization: Organization
) -> None:
    answer = browser.post(f"{home}settings/dunning/terms/", {**TERMS, "final_days": "5"})
    assert answer.status_code == 422
    assert "Each step is some days later" in answer.content.decode()
    assert browser.post(f"{home}settings/dunning/terms/", {**TERMS, "currency": "EUX"}).status_code == 422
    assert policies.all_terms(organization) == [policies.DEFAULT]


def test_b47_an_invoice_shows_its_steps_what_comes_next_and_what_a_letter_says(
    member: Membership, home: str, overdue: Invoice, at: Callable[[int], Any]
) -> None:
    with at(1):
        page = browser_of(member.user).get(f"{home}invoices/{overdue.pk}/").content.decode()
        assert "Next reminder" in page
    with at(7):
        tasks.dun()
        page = browser_of(member.user).get(f"{home}invoices/{overdue.pk}/").content.decode()
        assert "You may have overlooked it" in page
        assert "Second reminder" in page


def test_b47_an_invoice_is_held_and_released_on_its_page(
    member: Membership, home: str, overdue: Invoice, at: Callable[[int], Any]
) -> None:
    place = f"{home}invoices/{overdue.pk}/"
    with at(7):
        browser = browser_of(member.user)
        for wrong in ({"kind": "promise", "reason": "Soon"}, {"kind": "hold", "reason": " "}, {"kind": "x"},
                      {"kind": "hold", "reason": "No", "until": "2026-02-31"}):  # fmt: skip
            assert browser.post(f"{place}dunning/hold/", wrong).status_code == 422, wrong
        browser.post(f"{place}dunning/hold/", {"kind": "dispute", "reason": "Says it was no kWh"})
        page = browser.get(place).content.decode()
        assert "Says it was no kWh" in page
        assert "It is disputed: nothing is sent." in page
        tasks.dun()
        assert not overdue.dunning_steps.exists()
        assert browser.post(f"{place}dunning/hold/", {"kind": "hold", "reason": "No"}).status_code == 409
        browser.post(f"{place}dunning/release/")
        assert browser.post(f"{place}dunning/release/").status_code == 409
        tasks.dun()
    assert overdue.dunning_steps.get().kind == DunningKind.REMINDER


def test_b47_a_payer_is_held_on_the_payers_page(browser: Client, home: str, overdue: Invoice) -> None:
    place = f"{home}payments/accounts/{overdue.account_id}/"
    browser.post(f"{place}dunning/hold/", {"kind": "hold", "reason": "Their lawyer wrote"})
    assert "Their lawyer wrote" in browser.get(place).content.decode()
    assert (
        "All invoices of the payer are held." in browser.get(f"{home}invoices/{overdue.pk}/").content.decode()
    )
    browser.post(f"{place}dunning/release/")
    assert not DunningHold.objects.open().filter(account=overdue.account).exists()


def test_b47_a_failed_letter_is_shown_and_sent_again(
    member: Membership, home: str, overdue: Invoice, at: Callable[[int], Any]
) -> None:
    place = f"{home}invoices/{overdue.pk}/"
    with at(7):
        tasks.dun()
        DunningStep.objects.filter(invoice=overdue).update(state="failed", reason="550 no such mailbox")
        browser = browser_of(member.user)
        page = browser.get(place).content.decode()
        assert "550 no such mailbox" in page
        browser.post(f"{place}dunning/again/")
        sending.send_due()
        assert "550 no such mailbox" not in browser.get(place).content.decode()
    assert overdue.dunning_steps.get().state == "sent"


def test_b47_cards_are_blocked_by_a_visible_decision_on_the_invoice(
    member: Membership, home: str, overdue: Invoice, at: Callable[[int], Any]
) -> None:
    place = f"{home}invoices/{overdue.pk}/"
    card = IdToken.objects.get(driver__billing_account=overdue.account)
    for days in (7, 30, 60):
        with at(days):
            assert "Block the payer" not in browser_of(member.user).get(place).content.decode()
            tasks.dun()
    with at(60):
        browser = browser_of(member.user)
        assert "Block the payer" in browser.get(place).content.decode()
        assert browser.post(f"{place}dunning/block-cards/", {"reason": " "}).status_code == 422
        browser.post(f"{place}dunning/block-cards/", {"reason": "Nothing came"})
        assert "Cards were blocked" in browser.get(place).content.decode()
    card.refresh_from_db()
    assert card.status == "blocked"


def test_b47_strangers_find_nothing_and_who_may_not_is_refused(
    overdue: Invoice, home: str, viewer: Client, limited: Client, organization: Organization
) -> None:
    charlie = factories.make_member(factories.make_organization(demo=True), name="charlie")
    stranger = browser_of(charlie.user)
    billing = browser_of(factories.make_member(organization, Role.BILLING, "bill").user)
    theirs = f"/o/{charlie.organization.slug}/"
    below = [f"invoices/{overdue.pk}/dunning/{one}/" for one in ("hold", "release", "again", "block-cards")]
    below += [f"payments/accounts/{overdue.account_id}/dunning/{one}/" for one in ("hold", "release")]
    body = {"kind": "hold", "reason": "No"}
    for path in below:
        assert stranger.post(f"{theirs}{path}", body).status_code == 404, path
        assert stranger.post(f"{home}{path}", body).status_code == 404, path
        assert viewer.post(f"{home}{path}", body).status_code == 403, path
        assert limited.post(f"{home}{path}", body).status_code == 404, path
    for path in ("settings/dunning/", "settings/dunning/terms/"):
        assert limited.post(f"{home}{path}", TERMS).status_code == 403
        assert billing.post(f"{home}{path}", TERMS).status_code == 403
    assert not DunningHold.objects.filter(organization=organization).exists()
    assert policies.all_terms(organization) == [policies.DEFAULT]
