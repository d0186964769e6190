"""Direct debits: mandates, files for the bank, and what comes back (billing B-43 to B-45)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError
from django.db.models import Sum
from django.db.transaction import atomic

from billing.models import (
    BankLine,
    DebitFile,
    DebitFileState,
    DebitItem,
    Invoice,
    InvoiceState,
    LedgerEntry,
    LineState,
    Mandate,
    MandateState,
    Payment,
)
from billing.services.payments import allocating, debits, matching, pain
from billing.services.payments.collecting import Obstacle, looked_at
from core import clock
from core.access import Actor
from core.errors import Conflict, Invalid
from core.models import Organization
from tests import factories
from tests.billing.payments.camt_files import camt, collective, entry, line_of, part, state_of, take_in
from tests.billing.payments.conftest import COLLECT_ON, DUE, PAYER_IBAN, Issued, sign

pytestmark = pytest.mark.usefixtures("committed")


@pytest.mark.parametrize("iban", ["", "NL91ABNA0417164301", "DE00", "NL91ABNA04171643000", "x" * 40])
def test_b43_a_wrong_iban_is_refused(issued: Issued, alice: Actor, iban: str) -> None:
    invoice = issued()
    with pytest.raises(Invalid) as refused:
        sign(invoice.account, alice, iban=iban)
    assert refused.value.field == "iban"
    assert not Mandate.objects.filter(account=invoice.account).exists()


def test_b43_an_iban_is_sealed_and_a_new_mandate_replaces_the_former(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    first = sign(invoice.account, alice)
    assert PAYER_IBAN not in first.sealed_iban
    assert first.iban_end == "4300"
    second = sign(invoice.account, alice, signed_on=date(2026, 1, 5))
    first.refresh_from_db()
    assert (first.state, second.state) == (MandateState.STOPPED, MandateState.ACTIVE)
    assert second.is_usable(date(2029, 1, 4))
    assert not second.is_usable(date(2029, 1, 5)), "unused for 36 months"


def test_b44_a_file_is_the_same_however_often_it_is_made_and_an_invoice_is_in_one(
    bank: None, issued: Issued, organization: Organization, alice: Actor
) -> None:
    invoice, without = issued(mandate={}), issued()
    mandate = Mandate.objects.get(account=invoice.account)
    row = debits.make_file(organization, COLLECT_ON, by=alice)
    item = row.items.get()
    content = debits.content_of(row, by=alice)

    assert (item.invoice, item.amount, row.total, item.sequence) == (invoice, DUE, DUE, "RCUR")
    assert debits.content_of(row, by=alice) == content
    assert pain.rendered(row, [item], organization.bank_details) == content
    for told in (
        row.message_id,
        mandate.reference,
        PAYER_IBAN,
        '<InstdAmt Ccy="EUR">7.35<',
        str(COLLECT_ON),
        invoice.number,
    ):
        assert told in content.decode()
    assert PAYER_IBAN not in row.sealed_content
    with pytest.raises(Conflict, match="nothing to collect"):
        debits.make_file(organization, COLLECT_ON, by=alice)
    with pytest.raises(DatabaseError, match="debit_invoice_in_one_open_file"), atomic():
        DebitItem.objects.create(
            file=row, invoice=invoice, mandate=mandate, amount=1, sequence="RCUR", end_to_end_id="other"
        )
    assert not without.debits.exists()

    debits.discard(row, by=alice)
    again = debits.make_file(organization, COLLECT_ON, by=alice)
    assert again.message_id != row.message_id
    assert again.items.get().end_to_end_id != item.end_to_end_id


def test_b44_a_debit_waits_for_its_notice_and_for_a_working_day(
    bank: None, issued: Issued, organization: Organization, alice: Actor
) -> None:
    invoice = issued(mandate={})
    assert invoice.issued_on is not None
    announced = invoice.issued_on + timedelta(days=14)
    assert invoice.snapshot["payment"]["collect_on"] == str(announced)
    before, then = (looked_at(organization, day) for day in (announced - timedelta(days=1), announced))
    assert [(one.obstacle, one.announced_on) for one in before] == [(Obstacle.TOO_EARLY, announced)]
    assert [(one.invoice, one.obstacle, one.rest) for one in then] == [(invoice, None, DUE)]
    for day in (COLLECT_ON - timedelta(days=2), clock.now().date()):
        with pytest.raises(Invalid, match="working day"):
            debits.make_file(organization, day, by=alice)
    assert not DebitFile.objects.filter(organization=organization).exists()


@pytest.mark.parametrize(("reason", "state"), [("AC04", MandateState.STOPPED), ("AM04", MandateState.ACTIVE)])
def test_b45_a_returned_debit_reopens_its_invoice_and_a_closed_account_stops_the_mandate(
    bank: None, issued: Issued, organization: Organization, alice: Actor, reason: str, state: str
) -> None:
    invoice = issued(mandate={})
    mandate = Mandate.objects.get(account=invoice.account)
    row = debits.collected(debits.make_file(organization, COLLECT_ON, by=alice), by=alice)
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


@pytest.fixture
def filed(bank: None, issued: Issued, organization: Organization, alice: Actor) -> tuple[Invoice, DebitFile]:
    """An invoice in a file that the bank has, though nobody said so yet."""
    invoice = issued(mandate={})
    return invoice, debits.make_file(organization, COLLECT_ON, by=alice)


def back(item: DebitItem, amount: str = "10.85", reason: str = "AC04") -> str:
    return entry(amount, "return", sign="DBIT", e2e=item.end_to_end_id, reason=reason)


def credit(item: DebitItem, amount: str = "7.35") -> str:
    return entry(amount, item.invoice.number, e2e=item.end_to_end_id)


def sums(organization: Organization) -> dict[str, Decimal]:
    rows = LedgerEntry.objects.filter(
        journal__organization=organization, journal__payment_posting__isnull=False
    )
    return dict(rows.values_list("account").annotate(Sum("amount")).order_by("account"))


ORDERS = ("return", "collected return", "return collected", "credit return collected", "return+credit collected",
          "credit+return", "return credit collected", "collected credit return", "collected return credit",
          "return discarded")  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_b45_a_return_reopens_its_invoice_once_in_whatever_order_it_is_told(
    filed: tuple[Invoice, DebitFile], organization: Organization, alice: Actor, order: str
) -> None:
    invoice, row = filed
    item = row.items.get()
    entries = {"return": back(item), "credit": credit(item)}
    for place, step in enumerate(order.split()):
        if step == "collected":
            debits.collected(row, by=alice)
        elif step == "discarded":
            with pytest.raises(Conflict, match="bank booked"):
                debits.discard(row, by=alice)
        else:
            take_in(camt(*(entries[one] for one in step.split("+")), number=str(place)), alice)

    payment = Payment.objects.get(organization=organization)
    item.refresh_from_db()
    item.mandate.refresh_from_db()
    assert (payment.state, payment.failure, payment.account) == ("returned", "AC04", invoice.account)
    assert {one.state for one in BankLine.objects.filter(organization=organization)} == {LineState.MATCHED}
    assert allocating.open_amount(Invoice.objects.get(pk=invoice.pk)) == DUE
    assert state_of(invoice) in (InvoiceState.ISSUED, InvoiceState.PARTLY_PAID)
    assert sums(organization) == {"bank": Decimal("-3.5"), "fees": Decimal("3.5"), "receivable": 0}
    assert (item.mandate.state, item.mandate.stopped_because) == (MandateState.STOPPED, "AC04")
    assert item.open is False, "it can be paid in another way now"


def test_b45_a_return_of_one_debit_leaves_the_others_of_its_file_to_be_collected(
    bank: None, issued: Issued, organization: Organization, alice: Actor
) -> None:
    first, second = issued(mandate={}), issued(mandate={})
    row = debits.make_file(organization, COLLECT_ON, by=alice)
    take_in(camt(back(row.items.get(invoice=first), reason="AM04")), alice)
    assert row.items.get(invoice=second).open is True
    debits.collected(row, by=alice)
    assert (allocating.paid(first), state_of(second)) == (0, InvoiceState.PAID)
    assert Payment.objects.filter(organization=organization).count() == 2


def test_b45_a_credited_debit_is_its_payment_and_never_another(
    filed: tuple[Invoice, DebitFile], organization: Organization, alice: Actor
) -> None:
    invoice, row = filed
    item = row.items.get()
    line = line_of(take_in(camt(credit(item)), alice))
    assert (line.state, state_of(invoice)) == (LineState.MATCHED, InvoiceState.PAID)
    debits.collected(row, by=alice)
    payment = Payment.objects.get(organization=organization)
    assert (payment.method, line.payment, payment.captured) == ("direct_debit", payment, DUE)
    item.mandate.refresh_from_db()
    assert item.mandate.last_used_on == COLLECT_ON


@pytest.mark.parametrize(("credited", "note"), [("7.00", "another amount"), ("7.35", "already")])
def test_b45_a_credit_that_differs_or_comes_again_waits_for_a_person(
    filed: tuple[Invoice, DebitFile], organization: Organization, alice: Actor, credited: str, note: str
) -> None:
    invoice, row = filed
    item = row.items.get()
    if credited == "7.35":
        take_in(camt(credit(item)), alice)
    other = camt(credit(item, credited), number="2").replace(b"2026-11-20", b"2026-11-23")
    line = line_of(take_in(other, alice))
    assert (line.state, line.payment, note in line.reason) == (LineState.OPEN, None, True)
    assert allocating.paid(invoice) == (DUE if credited == "7.35" else 0)


@pytest.mark.parametrize(("amount", "note"), [("7.00", "less than")])
def test_b45_a_return_of_less_than_was_collected_waits_for_a_person_with_a_reason(
    filed: tuple[Invoice, DebitFile], organization: Organization, alice: Actor, amount: str, note: str
) -> None:
    _invoice, row = filed
    line = line_of(take_in(camt(back(row.items.get(), amount)), alice))
    assert (line.state, line.payment, note in line.reason) == (LineState.OPEN, None, True)
    assert not Payment.objects.filter(organization=organization).exists()
    assert row.items.get().mandate.state == MandateState.ACTIVE


def test_b45_a_second_return_of_a_debit_is_not_lost(
    filed: tuple[Invoice, DebitFile], organization: Organization, alice: Actor
) -> None:
    _invoice, row = filed
    debits.collected(row, by=alice)
    item = row.items.get()
    take_in(camt(back(item, "7.35")), alice)
    later = camt(back(item, "3.50"), number="2").replace(b"2026-11-20", b"2026-11-23")
    line = line_of(take_in(later, alice))
    assert (line.state, "came back already" in line.reason) == (LineState.OPEN, True)


def test_b45_a_credit_of_a_whole_file_collects_it(
    filed: tuple[Invoice, DebitFile], organization: Organization, alice: Actor
) -> None:
    invoice, row = filed
    wrong = collective("7.00", "<Btch/>", batch=f"{row.message_id}-1")
    assert "another amount" in line_of(take_in(camt(wrong), alice)).reason
    assert state_of(invoice) == InvoiceState.ISSUED
    right = collective("7.35", part("DEBITS", e2e="NOTPROVIDED"), batch=f"{row.message_id}-1")
    line = line_of(take_in(camt(right, number="2"), alice))
    row.refresh_from_db()
    assert (line.state, row.state, state_of(invoice)) == (
        LineState.MATCHED, DebitFileState.COLLECTED, InvoiceState.PAID,
    )  # fmt: skip
    again = camt(right, number="3").replace(b"2026-11-20", b"2026-11-23")
    assert line_of(take_in(again, alice)).state == LineState.OPEN
    assert Payment.objects.filter(organization=organization).count() == 1


def test_b45_a_file_that_is_collected_and_credited_as_a_whole_is_booked_once(
    filed: tuple[Invoice, DebitFile], organization: Organization, alice: Actor
) -> None:
    _invoice, row = filed
    debits.collected(row, by=alice)
    whole = collective("7.35", part("DEBITS"), batch=row.message_id)
    assert line_of(take_in(camt(whole), alice)).state == LineState.MATCHED
    assert Payment.objects.filter(organization=organization).count() == 1


def test_w01_the_statement_of_another_organization_touches_no_debit(
    filed: tuple[Invoice, DebitFile], organization: Organization, alice: Actor
) -> None:
    invoice, row = filed
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    item = row.items.get()
    batch = collective("7.35", part("x"), batch=row.message_id)
    lines = take_in(camt(back(item), credit(item), batch), charlie).lines.all()
    assert {one.state for one in lines} == {LineState.OPEN}
    row.refresh_from_db()
    assert (row.state, state_of(invoice)) == (DebitFileState.OPEN, InvoiceState.ISSUED)
    assert not Payment.objects.filter(end_to_end_id=item.end_to_end_id).exists()
    assert row.items.get().mandate.state == MandateState.ACTIVE


def test_b45_a_credit_of_a_debit_is_confirmed_for_no_invoice_and_given_to_nobody(
    filed: tuple[Invoice, DebitFile], organization: Organization, alice: Actor
) -> None:
    """It would be a payment beside the debit's own."""
    invoice, row = filed
    line = line_of(take_in(camt(credit(row.items.get(), "7.00")), alice))
    with pytest.raises(Conflict, match="of direct debits"):
        matching.confirm(line, invoice, by=alice)
    with pytest.raises(Conflict, match="of direct debits"):
        matching.give_to(line, invoice.account, by=alice)
    assert not Payment.objects.filter(organization=organization).exists()
    debits.collected(row, by=alice)
    assert matching.leave(line, reason="0.35 of charges", by=alice).state == LineState.LEFT
    assert Payment.objects.get(organization=organization).captured == DUE


def test_b46_what_the_bank_credits_twice_is_the_payers_credit(
    filed: tuple[Invoice, DebitFile], organization: Organization, alice: Actor
) -> None:
    invoice, row = filed
    item = row.items.get()
    take_in(camt(credit(item)), alice)
    twice = camt(credit(item), number="2").replace(b"2026-11-20", b"2026-11-23")
    line = matching.give_to(line_of(take_in(twice, alice)), invoice.account, by=alice)
    assert line.payment is not None
    assert (line.state, allocating.unallocated(line.payment)) == (LineState.MATCHED, DUE)
    assert Payment.objects.filter(organization=organization).count() == 2
