"""Records as billing staff see them: from session to invoice, and without a payer (billing B-04, B-10, B-12)."""

import pytest
from django.test import Client

from billing.models import BillingAccount, Cdr, Invoice
from billing.services import drafting, reconciling
from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization
from drivers.models import Driver
from stations.models import Transaction
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.pages import alice, browser, browser_of, limited, member, organization, viewer
from tests.billing.payments.conftest import Issued, issued

__all__ = ["alice", "browser", "issued", "limited", "member", "organization", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def home(organization: Organization) -> str:
    return f"/o/{organization.slug}/"


@pytest.fixture
def nobodys(charge: Charge) -> Cdr:
    """The record of a session with a known card that belongs to no driver."""
    session = charge(12_345)
    Transaction.objects.filter(pk=session.pk).update(driver=None)
    settle()
    return Cdr.objects.get(transaction=session)


def test_b04_session_record_and_invoice_lead_to_each_other(
    browser: Client, viewer: Client, home: str, issued: Issued
) -> None:
    invoice = issued()
    record = Cdr.objects.get(lines__invoice=invoice)
    session = browser.get(f"{home}sessions/{record.transaction_id}/").content.decode()
    page = browser.get(f"{home}invoices/records/{record.pk}/").content.decode()
    lines = browser.get(f"{home}invoices/{invoice.pk}/").content.decode()

    for there in (f"{home}invoices/records/{record.pk}/", f"{home}invoices/{invoice.pk}/"):
        assert there in session
    assert f"{home}sessions/{record.transaction_id}/" in page
    assert f"{home}invoices/{invoice.pk}/" in page
    assert record.digest in page
    assert f"{home}invoices/records/{record.pk}/" in lines
    seen = viewer.get(f"{home}sessions/{record.transaction_id}/").content.decode()
    assert "invoices/" not in seen
    assert viewer.get(f"{home}invoices/records/{record.pk}/").status_code == 403


def test_records_are_found_by_their_number_and_by_a_part_of_the_payers_name(
    browser: Client, home: str, issued: Issued
) -> None:
    invoice = issued()
    record = Cdr.objects.get(lines__invoice=invoice)
    assert record.account is not None
    at, listed = f"{home}invoices/records/{record.pk}/", f"{home}invoices/records/"

    for words in (record.reference.upper(), record.account.name[1:].upper()):
        assert at in browser.get(listed, {"q": words}).content.decode()
    assert at not in browser.get(listed, {"q": "nobody of this name"}).content.decode()


def test_b10_a_record_without_a_payer_gets_one_as_a_credit_and_a_like_record_on_the_next_invoice(
    browser: Client, home: str, nobodys: Cdr, alice: Actor, organization: Organization
) -> None:
    driver = factories.make_driver(alice, "Paula Payer")
    at = f"{home}invoices/records/{nobodys.pk}/"
    listed = f"{home}invoices/records/?payer=none"
    assert at in browser.get(listed).content.decode()
    assert f"driver:{driver.pk}" in browser.get(f"{at}?payer=paula").content.decode()
    assert "Nobody has such a name" in browser.get(f"{at}?payer=xyz").content.decode()

    choice = {"account": f"driver:{driver.pk}"}
    assert browser.post(f"{at}payer/", {**choice, "reason": " "}).status_code == 422
    assert browser.post(f"{at}payer/", {"reason": "Her card"}).status_code == 422
    assert Cdr.objects.filter(transaction=nobodys.transaction_id).count() == 1
    made = browser.post(f"{at}payer/", {**choice, "reason": "Her card, registered late"})
    again = browser.post(f"{at}payer/", {**choice, "reason": "Her card"})

    account = BillingAccount.objects.get(driver=driver)
    mine = Cdr.objects.get(transaction=nobodys.transaction_id, account=account)
    assert made["Location"].endswith(f"{mine.pk}/")
    assert again.status_code == 409
    assert (mine.replaces_id, mine.digest, mine.payable_incl_vat) == (
        nobodys.pk, nobodys.digest, nobodys.payable_incl_vat,
    )  # fmt: skip
    assert Cdr.objects.get(credit_reference=nobodys).payable_incl_vat == -nobodys.payable_incl_vat
    assert at not in browser.get(listed).content.decode()
    assert AuditEntry.objects.filter(action="cdr.payer_given", object_id=str(mine.pk)).count() == 1
    assert drafting.draft(account, THIS_MONTH, by=alice)[0].due == nobodys.payable_incl_vat
    found = reconciling.reconcile(organization, nobodys.ended_at, clock.now(), by=alice)
    assert (found.counts["billed"], found.counts["no_payer"], found.differences) == (1, 0, [])


def test_b10_a_record_that_has_a_payer_keeps_it(
    browser: Client, home: str, issued: Issued, alice: Actor
) -> None:
    record = Cdr.objects.get(lines__invoice=issued())
    other = BillingAccount.objects.get(pk=issued().account_id)
    values = {"account": str(other.pk), "reason": "Mine"}
    answer = browser.post(f"{home}invoices/records/{record.pk}/payer/", values)
    assert answer.status_code == 409
    assert "known already who pays" in answer.content.decode()
    assert not Cdr.objects.filter(credit_reference=record).exists()


def test_b10_a_record_is_taken_back_once_and_with_a_reason(browser: Client, home: str, nobodys: Cdr) -> None:
    at = f"{home}invoices/records/{nobodys.pk}/credit/"
    assert browser.post(at, {"reason": ""}).status_code == 422
    assert browser.post(at, {"reason": "The meter was wrong"}).status_code == 302
    assert browser.post(at, {"reason": "Again"}).status_code == 409
    assert Cdr.objects.filter(credit_reference=nobodys).count() == 1


def test_w01_strangers_limited_members_and_viewers_give_nobody_a_record_to_pay(
    nobodys: Cdr, viewer: Client, limited: Client, home: str, alice: Actor
) -> None:
    driver: Driver = factories.make_driver(alice)
    other = factories.make_member(factories.make_organization(demo=True), name="charlie")
    stranger, theirs = browser_of(other.user), f"/o/{other.organization.slug}/"
    values = {"account": f"driver:{driver.pk}", "reason": "Mine"}
    for client, place in ((viewer, home), (limited, home), (stranger, theirs)):
        assert client.get(f"{place}invoices/records/{nobodys.pk}/").status_code in (403, 404)
        for act in ("payer", "credit"):
            answer = client.post(f"{place}invoices/records/{nobodys.pk}/{act}/", values)
            assert answer.status_code in (403, 404)
    assert str(nobodys.pk) not in limited.get(f"{home}invoices/records/").content.decode()
    assert Cdr.objects.filter(transaction=nobodys.transaction_id).count() == 1
    assert not Invoice.objects.filter(account__driver=driver).exists()
    assert not BillingAccount.objects.filter(driver=driver).exists()
