"""Invoices, the month end and what waits for a decision, as billing staff see them (billing B-06, B-14, B-33, B-34)."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import Client

from billing.models import (
    AccountException,
    BillingException,
    BillingRun,
    Buyer,
    Cdr,
    Invoice,
    InvoiceState,
    Reconciliation,
    RunState,
    Settlement,
)
from billing.services import parties, reconciling, running
from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization
from drivers.models import Driver
from stations.models import Transaction
from stations.services import sites
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle, when_over
from tests.billing.pages import alice, browser, browser_of, limited, member, organization, viewer

__all__ = ["alice", "browser", "limited", "member", "organization", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def home(organization: Organization) -> str:
    return f"/o/{organization.slug}/invoices/"


@pytest.fixture
def billed(charge: Charge, alice: Actor, organization: Organization) -> Driver:
    """A driver whose month has a draft."""
    driver = factories.make_driver(alice, "Dora Driver")
    charge(12_345, driver=driver)
    settle()
    running.start(organization, THIS_MONTH, issue=False, by=alice)
    running.work()
    return driver


def invoice_of(driver: Driver) -> Invoice:
    return Invoice.objects.filter(account__driver=driver).latest("id")


def test_b33_a_month_is_previewed_without_a_row_and_then_issued_for_the_same_sum(
    browser: Client,
    home: str,
    charge: Charge,
    alice: Actor,
    organization: Organization,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    charge(12_345, driver=factories.make_driver(alice, "Dora Driver"))
    settle()
    seen = browser.get(f"{home}runs/?period={THIS_MONTH}").content.decode()
    assert "Dora Driver" in seen
    assert not Invoice.objects.filter(organization=organization).exists()
    assert not BillingRun.objects.filter(organization=organization).exists()

    early = browser.post(f"{home}runs/start/", {"period": THIS_MONTH, "issue": "yes", "typed": THIS_MONTH})
    assert early.status_code == 409
    assert "not over yet" in early.content.decode()
    assert not BillingRun.objects.filter(organization=organization).exists()
    when_over(monkeypatch, THIS_MONTH)
    begun = browser.post(f"{home}runs/start/", {"period": THIS_MONTH, "issue": "yes", "typed": THIS_MONTH})
    waiting = browser.get(begun["Location"]).content.decode()
    running.work()
    done = browser.get(begun["Location"]).content.decode()

    made = Invoice.objects.get(organization=organization)
    assert made.state == InvoiceState.ISSUED
    assert f"{made.due:.2f}" in seen
    assert f"{made.due:.2f}" in done
    assert "every 2s" in waiting
    assert "every 2s" not in done
    assert BillingRun.objects.get(organization=organization).state == RunState.FINISHED


def test_a_month_that_is_none_and_a_second_run_are_refused_with_the_reason(
    browser: Client,
    home: str,
    billed: Driver,
    organization: Organization,
    alice: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    when_over(monkeypatch, THIS_MONTH)
    assert "A month is written like" in browser.get(f"{home}runs/?period=2026-13").content.decode()
    running.start(organization, THIS_MONTH, issue=False, by=alice)
    again = browser.post(f"{home}runs/start/", {"period": THIS_MONTH, "issue": "no"})
    assert again.status_code == 409
    assert "going on already" in again.content.decode()


def test_b14_a_draft_is_issued_and_taken_back_with_a_reason(
    browser: Client, home: str, billed: Driver
) -> None:
    draft = invoice_of(billed)
    page = browser.get(f"{home}{draft.pk}/").content.decode()
    assert "Dora Driver" in page
    browser.post(f"{home}{draft.pk}/issue/", {"typed": "Somebody"})
    draft.refresh_from_db()
    assert draft.state == InvoiceState.DRAFT
    browser.post(f"{home}{draft.pk}/issue/", {"typed": "Dora Driver"})
    draft.refresh_from_db()
    assert draft.state == InvoiceState.ISSUED
    assert draft.number in browser.get(home).content.decode()

    assert browser.post(f"{home}{draft.pk}/credit/", {"reason": " "}).status_code == 422
    draft.refresh_from_db()
    assert draft.state == InvoiceState.ISSUED
    note = browser.post(f"{home}{draft.pk}/credit/", {"reason": "The charger was wrong."})
    draft.refresh_from_db()
    assert draft.state == InvoiceState.CREDITED
    assert draft.number in browser.get(note["Location"]).content.decode()
    assert AuditEntry.objects.filter(action="invoice.credited", object_id=str(draft.pk)).count() == 1


def test_b17_an_amount_of_a_line_is_credited_on_the_page_and_no_more_than_is_left(
    browser: Client, home: str, billed: Driver
) -> None:
    draft = invoice_of(billed)
    browser.post(f"{home}{draft.pk}/issue/", {"typed": "Dora Driver"})
    line = draft.lines.get()
    field = f"line-{line.pk}"
    assert field in browser.get(f"{home}{draft.pk}/").content.decode()

    for wrong in ({}, {field: "x"}, {field: str(line.leading + 1)}, {"line-x": "1"}):
        answer = browser.post(f"{home}{draft.pk}/credit/", {"part": "1", "reason": "Late", **wrong})
        assert answer.status_code == 422, wrong
    assert not draft.credit_notes.exists()
    browser.post(f"{home}{draft.pk}/credit/", {"part": "1", "reason": "Late", field: "1.00"})
    [note] = draft.credit_notes.all()
    assert note.due == 1
    assert note.number in browser.get(f"{home}{draft.pk}/").content.decode()


def test_b14_a_discarded_draft_cannot_be_issued(browser: Client, home: str, billed: Driver) -> None:
    draft = invoice_of(billed)
    browser.post(f"{home}{draft.pk}/discard/")
    assert browser.post(f"{home}{draft.pk}/issue/", {"typed": "Dora Driver"}).status_code == 409
    draft.refresh_from_db()
    assert (draft.state, draft.number) == (InvoiceState.DISCARDED, "")


def test_invoices_are_found_by_number_payer_and_state(browser: Client, home: str, billed: Driver) -> None:
    draft = invoice_of(billed)
    link = f"{home}{draft.pk}/"
    assert link in browser.get(f"{home}?q=dora").content.decode()
    assert link in browser.get(f"{home}?state=draft").content.decode()
    assert link not in browser.get(f"{home}?state=paid").content.decode()
    assert link not in browser.get(f"{home}?q=nobody").content.decode()


def test_b06_a_person_decides_what_waits_and_says_why(
    browser: Client, home: str, charge: Charge, alice: Actor
) -> None:
    session = wrong(charge)
    exception = BillingException.objects.get(transaction=session)
    page = browser.get(f"{home}exceptions/").content.decode()
    address = f"{home}exceptions/{exception.pk}/decide/"
    assert address in page
    assert "decide" in page

    assert browser.post(address, {"decision": "waived", "reason": ""}).status_code == 422
    assert browser.post(address, {"decision": "sold", "reason": "x"}).status_code == 422
    exception.refresh_from_db()
    assert exception.decision == ""
    browser.post(address, {"decision": "waived", "reason": "A test charge."})
    exception.refresh_from_db()
    assert (exception.decision, exception.reason) == ("waived", "A test charge.")
    assert Settlement.objects.get(pk=session.pk).outcome == "waived"
    assert address not in browser.get(f"{home}exceptions/").content.decode()
    assert "A test charge." in browser.get(f"{home}exceptions/?tab=decided").content.decode()


def wrong(charge: Charge) -> Transaction:
    """A session whose card nobody knows: it waits for a person."""
    session = charge(12_345)
    Transaction.objects.filter(pk=session.pk).update(token=None, driver=None)
    settle()
    return session


def test_b34_a_payer_that_no_run_could_invoice_is_listed_until_one_does(
    browser: Client, limited: Client, home: str, charge: Charge, alice: Actor, organization: Organization
) -> None:
    driver = factories.make_driver(alice, "Dora Driver")
    charge(12_345, driver=driver)
    settle()
    account = Cdr.objects.get(account__driver=driver).account
    parties.save_buyer(account, {"country": "AT", "vat_id": "ATU13585627", "reseller": True}, by=alice)
    running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()
    page = browser.get(f"{home}exceptions/?tab=accounts").content.decode()

    assert "Dora Driver" in page
    assert "has a price with taxes, but its payer owes the VAT." in page
    assert f"/payments/accounts/{account.pk}/" in page
    assert "Dora Driver" not in browser.get(f"{home}exceptions/").content.decode()
    assert "Dora Driver" not in limited.get(f"{home}exceptions/?tab=accounts").content.decode()
    AccountException.objects.filter(account=account).update(closed_at=clock.now())
    assert "Dora Driver" not in browser.get(f"{home}exceptions/?tab=accounts").content.decode()


def test_b08_late_data_corrects_a_record_on_the_page_with_the_payers_consent(
    browser: Client, home: str, charge: Charge, alice: Actor
) -> None:
    session = charge(4000)
    settle()
    Transaction.objects.filter(pk=session.pk).update(meter_last_wh=5000, energy_wh=5000)
    settle()
    doubt = BillingException.objects.get(transaction=session)
    assert 'name="consent"' in browser.get(f"{home}exceptions/").content.decode()
    form = {"decision": "corrected", "reason": "It came late."}

    assert browser.post(f"{home}exceptions/{doubt.pk}/decide/", form).status_code == 422
    assert Cdr.objects.filter(transaction=session).count() == 1
    browser.post(f"{home}exceptions/{doubt.pk}/decide/", {**form, "consent": "Called on Monday"})
    assert Cdr.objects.filter(transaction=session).count() == 3
    decided = browser.get(f"{home}exceptions/?tab=decided").content.decode()
    assert "Called on Monday" in decided


def test_b13_a_site_is_chosen_whose_sessions_are_not_billed_and_their_pages_say_so(
    browser: Client, organization: Organization, charge: Charge, alice: Actor
) -> None:
    site = sites.create({"name": "Yard", "time_zone": "Europe/Berlin"}, by=alice)
    page = f"/o/{organization.slug}/settings/invoices/"
    shown = browser.get(page)
    assert "Yard" in shown.content.decode()
    initial = {name: value for name, value in shown.context["form"].initial.items() if value}
    browser.post(page, {**initial, "free_sites": [str(site.pk)]})
    session = charge(4000)
    Transaction.objects.filter(pk=session.pk).update(site=site)
    settle()

    assert not Cdr.objects.filter(transaction=session).exists()
    told = browser.get(f"/o/{organization.slug}/sessions/{session.pk}/").content.decode()
    assert "nothing is billed at this site" in told
    strange = browser.post(page, {**initial, "free_sites": [str(uuid4())]})
    assert strange.status_code == 422


def test_b21_a_payer_gets_a_least_amount_on_its_page(
    browser: Client, organization: Organization, billed: Driver
) -> None:
    page = f"/o/{organization.slug}/payments/accounts/{billed.billing_account.pk}/"
    browser.post(page, {"name": "Dora Driver", "minimum_amount": "7.50"})
    assert Buyer.objects.get(account=billed.billing_account).minimum_amount == Decimal("7.50")
    assert "7.50" in browser.get(page).content.decode()


def test_strangers_and_viewers_neither_see_nor_do_anything(
    home: str, billed: Driver, viewer: Client, organization: Organization
) -> None:
    draft = invoice_of(billed)
    charlie = factories.make_member(factories.make_organization(demo=True), name="charlie")
    stranger = browser_of(charlie.user)
    assert stranger.get(home).status_code == 404
    assert stranger.post(f"{home}{draft.pk}/issue/").status_code == 404
    assert viewer.get(home).status_code == 403
    for path in (f"{draft.pk}/issue/", f"{draft.pk}/discard/", f"{draft.pk}/credit/", "runs/start/"):
        assert viewer.post(f"{home}{path}", {"period": THIS_MONTH, "reason": "x"}).status_code == 403
    draft.refresh_from_db()
    assert draft.state == InvoiceState.DRAFT
    assert BillingRun.objects.filter(organization=organization).count() == 1


def test_the_invoice_of_another_organization_is_not_there(browser: Client, home: str, billed: Driver) -> None:
    draft = invoice_of(billed)
    other = factories.make_member(factories.make_organization(demo=True), name="charlie")
    theirs = f"/o/{other.organization.slug}/invoices/{draft.pk}/"
    client = browser_of(other.user)
    assert client.get(theirs).status_code == 404
    assert client.post(f"{theirs}issue/").status_code == 404
    draft.refresh_from_db()
    assert draft.state == InvoiceState.DRAFT


def test_w01_who_is_limited_to_a_site_sees_none_of_the_organizations_money(
    browser: Client, limited: Client, home: str, billed: Driver, organization: Organization
) -> None:
    draft = invoice_of(billed)

    assert "Dora Driver" in browser.get(home).content.decode()
    assert "Dora Driver" not in limited.get(home).content.decode()
    assert limited.get(f"{home}runs/?period={THIS_MONTH}").status_code == 403
    assert limited.post(f"{home}runs/start/", {"period": THIS_MONTH, "issue": "yes"}).status_code == 403
    for path in ("", "issue/", "discard/", "credit/", "pdf/", "xml/"):
        ask = limited.post if path in ("issue/", "discard/", "credit/") else limited.get
        assert ask(f"{home}{draft.pk}/{path}").status_code == 404
    draft.refresh_from_db()
    assert draft.state == InvoiceState.DRAFT
    assert BillingRun.objects.filter(organization=organization).count() == 1


def test_b12_the_last_check_stands_above_the_invoices_and_says_what_does_not_add_up(
    organization: Organization, browser: Client, home: str
) -> None:
    reconciling.check_all()
    Reconciliation.objects.filter(organization=organization).update(differing=3)
    page = browser.get(home).content.decode()

    assert "0 sessions in 62 days" in page
    assert "3 do not add up" in page
