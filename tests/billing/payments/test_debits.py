"""Direct debits: mandates, files for the bank, and what comes back (billing B-43 to B-45)."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.transaction import atomic

from billing.models import (
    DebitFile,
    DebitItem,
    Invoice,
    InvoiceState,
    LineState,
    Mandate,
    MandateState,
)
from billing.services.payments import allocating, debits
from core import clock
from core.access import Actor
from core.errors import Conflict, Invalid
from core.models import Organization
from tests.billing.payments.camt_files import camt, entry, line_of, state_of, take_in
from tests.billing.payments.conftest import DUE, PAYER_IBAN, Issued

pytestmark = pytest.mark.usefixtures("committed")
NEXT_MONTH = date(2027, 3, 1)  # a Monday


def sign(invoice: Invoice, by: Actor, **values: Any) -> Mandate:
    given = {"iban": PAYER_IBAN, "holder": "Anna Driver", "signed_on": date(2026, 1, 5), **values}
    return debits.sign(invoice.account, by=by, **given)


@pytest.mark.parametrize("iban", ["", "NL91ABNA0417164301", "DE00", "NL91ABNA04171643000", "x" * 40])
def test_b43_a_wrong_iban_is_refused(issued: Issued, alice: Actor, iban: str) -> None:
    invoice = issued()
    with pytest.raises(Invalid) as refused:
        sign(invoice, alice, iban=iban)
    assert refused.value.field == "iban"
    assert not Mandate.objects.filter(account=invoice.account).exists()


def test_b43_an_iban_is_sealed_and_a_new_mandate_replaces_the_former(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    first = sign(invoice, alice)
    assert PAYER_IBAN not in first.sealed_iban
    assert first.iban_end == "4300"
    second = sign(invoice, alice)
    first.refresh_from_db()
    assert (first.state, second.state) == (MandateState.STOPPED, MandateState.ACTIVE)
    assert debits.is_usable(second, date(2028, 12, 1))
    assert not debits.is_usable(second, date(2029, 1, 10)), "unused for 36 months"


def test_b44_a_file_is_the_same_however_often_it_is_made_and_an_invoice_is_in_one(
    bank: None, issued: Issued, organization: Organization, alice: Actor
) -> None:
    invoice, without = issued(), issued()
    mandate = sign(invoice, alice)
    row = debits.make_file(organization, NEXT_MONTH, by=alice)
    item = row.items.get()
    content = debits.content_of(row, by=alice)

    assert (item.invoice, item.amount, row.total, item.sequence) == (invoice, DUE, DUE, "RCUR")
    assert debits.content_of(row, by=alice) == content
    assert debits.rendered(row, [item], organization.bank_details) == content
    for part in (
        row.message_id,
        mandate.reference,
        PAYER_IBAN,
        '<InstdAmt Ccy="EUR">7.35<',
        "2027-03-01",
        invoice.number,
    ):
        assert part in content.decode()
    assert PAYER_IBAN not in row.sealed_content
    with pytest.raises(Conflict, match="nothing to collect"):
        debits.make_file(organization, NEXT_MONTH, by=alice)
    with pytest.raises(DatabaseError, match="debit_invoice_in_one_open_file"), atomic():
        DebitItem.objects.create(
            file=row, invoice=invoice, mandate=mandate, amount=1, sequence="RCUR", end_to_end_id="other"
        )
    assert not without.debits.exists()

    debits.discard(row, by=alice)
    again = debits.make_file(organization, NEXT_MONTH, by=alice)
    assert again.message_id != row.message_id
    assert again.items.get().end_to_end_id != item.end_to_end_id


def test_b44_a_debit_waits_for_its_notice_and_for_a_working_day(
    bank: None, issued: Issued, organization: Organization, alice: Actor
) -> None:
    invoice = issued()
    sign(invoice, alice)
    assert invoice.issued_on is not None
    assert debits.collectable(organization, invoice.issued_on + timedelta(days=13)) == []
    assert len(debits.collectable(organization, invoice.issued_on + timedelta(days=14))) == 1
    for day in (date(2027, 2, 27), clock.now().date()):
        with pytest.raises(Invalid, match="working day"):
            debits.make_file(organization, day, by=alice)
    assert not DebitFile.objects.filter(organization=organization).exists()


@pytest.mark.parametrize(("reason", "state"), [("AC04", MandateState.STOPPED), ("AM04", MandateState.ACTIVE)])
def test_b45_a_returned_debit_reopens_its_invoice_and_a_closed_account_stops_the_mandate(
    bank: None, issued: Issued, organization: Organization, alice: Actor, reason: str, state: str
) -> None:
    invoice = issued()
    mandate = sign(invoice, alice)
    row = debits.collected(debits.make_file(organization, NEXT_MONTH, by=alice), by=alice)
    assert state_of(invoice) == InvoiceState.PAID
    with pytest.raises(Conflict, match="closed already"):
        debits.collected(row, by=alice)

    back = entry("10.85", "return", sign="DBIT", e2e=row.items.get().end_to_end_id, reason=reason)
    line = line_of(take_in(camt(back), alice))
    mandate.refresh_from_db()
    assert (line.state, state_of(invoice), mandate.state) == (
        LineState.MATCHED,
        InvoiceState.PARTLY_PAID,
        state,
    )
    assert allocating.open_amount(Invoice.objects.get(pk=invoice.pk)) == DUE
    assert line.payment is not None
    assert line.payment.postings.filter(step="fee").exists()
