"""Sessions paid by card without an account: one receipt each, settled by the capture (billing B-18, B-38, B-68)."""

from decimal import Decimal

import pytest
from django.test import Client

from billing.models import (
    AccountException,
    Allocation,
    Cdr,
    Invoice,
    InvoiceKind,
    InvoiceState,
    LedgerEntry,
    Payment,
    Receipt,
    Seller,
)
from billing.services import documents, drafting, receipts
from billing.services.payments import holds
from core.models import Organization
from stations.models import Transaction
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.payments.conftest import DUE
from tests.billing.payments.test_stripe import ask_now, held

__all__ = ["held"]
pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def paid(held: Payment, charge: Charge) -> Transaction:
    """A session of 7.35 for which 60.00 are set aside, sealed and not captured yet."""
    session = charge(12_345, minutes=1)
    holds.begun(held, session)
    settle()
    return session


def receipt_of(session: Transaction) -> Receipt:
    return Receipt.objects.select_related("invoice").get(transaction=session)


def capture(held: Payment) -> None:
    holds.watch()
    ask_now(held)
    receipts.run()


def balance(organization: Organization, account: str) -> Decimal:
    rows = LedgerEntry.objects.filter(journal__organization=organization, account=account)
    return sum((row.amount for row in rows), Decimal(0))


def test_b18_a_receipt_is_issued_at_once_and_paid_by_the_capture(
    paid: Transaction, held: Payment, organization: Organization
) -> None:
    receipts.run()
    made = receipt_of(paid)
    assert (made.invoice.kind, made.invoice.state, made.invoice.due) == (
        InvoiceKind.RECEIPT, InvoiceState.ISSUED, DUE,
    )  # fmt: skip
    assert len(made.key) == 43
    capture(held)
    for _again in range(2):
        receipts.run()

    invoice = Invoice.objects.get(pk=made.invoice_id)
    assert (invoice.state, invoice.account.kind, invoice.snapshot["payment"]) == (
        InvoiceState.PAID, "ad_hoc", {"means": "48"},
    )  # fmt: skip
    assert Receipt.objects.filter(transaction=paid).count() == 1
    assert Allocation.objects.live().filter(invoice=invoice).count() == 1
    assert [balance(organization, name) for name in ("receivable", "unassigned", "cash")] == [0, 0, DUE]
    account = paid.driver.billing_account if paid.driver else None
    assert account is not None
    assert not drafting.unbilled(account, THIS_MONTH).exists(), "it is on no second document"


def test_b18_money_that_came_before_the_receipt_settles_it_too(
    paid: Transaction, held: Payment, organization: Organization
) -> None:
    holds.watch()
    ask_now(held)
    assert balance(organization, "unassigned") == -DUE
    receipts.run()
    assert receipt_of(paid).invoice.state == InvoiceState.PAID
    assert [balance(organization, name) for name in ("receivable", "unassigned", "cash")] == [0, 0, DUE]


def test_b38_what_is_above_the_hold_is_credited_not_collected(
    paid: Transaction, held: Payment, organization: Organization
) -> None:
    Payment.objects.filter(pk=held.pk).update(authorized=5)
    capture(held)
    receipts.run()
    invoice = receipt_of(paid).invoice
    [note] = invoice.credit_notes.all()

    assert (invoice.state, note.due) == (InvoiceState.PAID, Decimal("2.35"))
    assert balance(organization, "receivable") == 0
    assert Cdr.objects.filter(transaction=paid).count() == 1


def test_b34_what_keeps_a_receipt_from_being_issued_is_told_and_stops_no_capture(
    paid: Transaction, held: Payment, organization: Organization
) -> None:
    Seller.objects.filter(pk=organization.pk).update(street="")
    for _again in range(2):
        receipts.run()
    told = AccountException.objects.get(organization=organization)
    assert "invoice details" in told.reason
    assert not Receipt.objects.filter(transaction=paid).exists()
    capture(held)
    assert Payment.objects.get(pk=held.pk).captured == DUE
    Seller.objects.filter(pk=organization.pk).update(street="Kai 1")
    receipts.run()
    told.refresh_from_db()
    assert told.closed_at is not None
    assert receipt_of(paid).invoice.state == InvoiceState.PAID


def test_b18_b68_who_has_the_link_sees_the_receipt_and_its_files_and_nobody_else(
    paid: Transaction, held: Payment
) -> None:
    capture(held)
    made = receipt_of(paid)
    documents.make_due()
    browser = Client()
    page = browser.get(f"/r/{made.key}")
    text = page.content.decode()

    assert made.invoice.number in text
    assert "12.345 kWh" in text
    assert (page["Referrer-Policy"], page["Cache-Control"]) == ("no-referrer", "private, no-store")
    assert "Beleg" in browser.get(f"/r/{made.key}?lang=de").content.decode()
    assert browser.get(f"/r/{made.key}/pdf").content.startswith(b"%PDF")
    assert b"48" in browser.get(f"/r/{made.key}/ubl").content
    other = made.key[:-1] + ("A" if made.key[-1] != "A" else "B")
    for wrong in (f"/r/{other}", f"/r/{made.key[:20]}", f"/r/{other}/pdf", f"/r/{made.key}/exe"):
        assert browser.get(wrong).status_code == 404, wrong
    assert browser.post(f"/r/{made.key}").status_code == 405
