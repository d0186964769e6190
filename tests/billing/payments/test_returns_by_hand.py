"""What the bank took back and no statement names is written down by a person (billing B-45)."""

from decimal import Decimal

import pytest
from django.test import Client

from billing.models import Invoice, InvoiceState, Mandate, MandateState, Method, Payment, PaymentState
from billing.services.payments import debits, receiving
from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization
from tests import factories
from tests.billing.pages import alice, browser, browser_of, member, organization, viewer
from tests.billing.payments.conftest import COLLECT_ON, DUE, Issued, bank, issued
from tests.billing.payments.test_receipts import balance
from tests.portal.test_routes import with_key

__all__ = ["alice", "bank", "browser", "issued", "member", "organization", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def collected(bank: None, issued: Issued, organization: Organization, alice: Actor) -> Payment:
    """An invoice that was paid by direct debit."""
    invoice = issued(mandate={})
    debits.collected(debits.make_file(organization, COLLECT_ON, by=alice), by=alice)
    assert Invoice.objects.get(pk=invoice.pk).state == InvoiceState.PAID
    return Payment.objects.get(allocations__invoice=invoice)


def invoice_of(payment: Payment) -> Invoice:
    return Invoice.objects.get(allocations__payment=payment)


def test_b45_a_return_is_written_down_once_with_its_fee_and_stops_a_mandate_of_a_closed_account(
    collected: Payment, browser: Client, organization: Organization
) -> None:
    page = f"/o/{organization.slug}/payments/{collected.pk}/"
    assert "Taken back by the bank" in browser.get(page).content.decode()
    assert browser.post(f"{page}return/", {"reason": "ac04 account closed", "fee": "3.50"}).status_code == 302
    again = browser.post(f"{page}return/", {"reason": "MD01", "fee": "1.00"}, follow=True)
    assert "taken back already" in again.content.decode()
    collected.refresh_from_db()
    assert (collected.state, invoice_of(collected).state) == (PaymentState.RETURNED, InvoiceState.PARTLY_PAID)
    assert [balance(organization, name) for name in ("receivable", "bank", "fees")] == [
        DUE, Decimal("-3.50"), Decimal("3.50"),
    ]  # fmt: skip
    assert Mandate.objects.get(account=collected.account).state == MandateState.STOPPED
    assert AuditEntry.objects.filter(object_id=str(collected.pk), action="payment.returned").count() == 1
    assert "Taken back by the bank" not in browser.get(page).content.decode()


def test_b45_a_return_is_told_by_the_api_and_by_no_stranger(
    collected: Payment, viewer: Client, organization: Organization
) -> None:
    address, body = f"/api/v1/payments/{collected.pk}/return/", {"reason": "AM04"}
    told = {"content_type": "application/json"}
    stranger = with_key(factories.make_key(factories.make_organization()))
    assert stranger.post(address, body, **told).status_code == 404
    reader = with_key(factories.make_key(organization, "payments:read"))
    assert reader.post(address, body, **told).status_code == 403
    outside = browser_of(factories.make_member(factories.make_organization()).user)
    page = f"/o/{organization.slug}/payments/{collected.pk}/return/"
    assert (outside.post(page, body).status_code, viewer.post(page, body).status_code) == (404, 403)
    collected.refresh_from_db()
    assert collected.state == PaymentState.RECEIVED

    writer = with_key(factories.make_key(organization, "payments:read", "payments:write"))
    assert writer.post(address, {"reason": " "}, **told).status_code == 400
    assert writer.post(address, {"reason": "AM04", "fee": "-1"}, **told).status_code == 400
    answer = writer.post(address, body, **told)
    assert (answer.status_code, answer.json()["status"]) == (200, "returned")
    assert Mandate.objects.get(account=collected.account).state == MandateState.ACTIVE


def test_b45_what_came_by_card_is_not_taken_back_by_a_bank(
    issued: Issued, alice: Actor, organization: Organization
) -> None:
    paid = receiving.book(
        organization_id=organization.pk, account=issued().account, amount=DUE, currency="EUR",
        method=Method.CARD, received_on=clock.now().date(), by=alice,
    )  # fmt: skip
    key = with_key(factories.make_key(organization))
    answer = key.post(
        f"/api/v1/payments/{paid.pk}/return/", {"reason": "AM04"}, content_type="application/json"
    )
    assert (answer.status_code, "by a bank" in answer.json()["detail"]) == (409, True)
    paid.refresh_from_db()
    assert paid.state == PaymentState.RECEIVED
