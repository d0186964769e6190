"""Transfers: every booking once, matched by reference, proposed by name (billing B-46)."""

from datetime import date
from decimal import Decimal

import pytest
from stdnum import iso11649

from billing.models import (
    BankLine,
    BankStatement,
    Invoice,
    InvoiceState,
    LineState,
    Payment,
)
from billing.services.payments import allocating, debits, matching, references, statements
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import Organization
from tests import factories
from tests.billing.payments.camt_files import camt, entry, line_of, state_of, take_in
from tests.billing.payments.conftest import COLLECT_ON, DUE, Issued

pytestmark = pytest.mark.usefixtures("committed")


def test_b46_each_invoice_has_a_reference_with_check_digits_that_finds_it_however_it_is_written(
    issued: Issued,
) -> None:
    invoice = issued()
    reference = references.reference_of(invoice)
    assert iso11649.is_valid(reference)
    for written in (reference, references.shown(reference), f"  {reference.lower()} ", invoice.number):
        assert references.invoices_of(invoice.organization_id, written).get() == invoice
    text = f"Danke! {references.shown(reference)} Anna"
    assert reference in list(references.found_in(text))
    assert list(references.found_in(reference[:-1] + "9" + reference[-1])) == []


@pytest.mark.parametrize("spelt", ["plain", "shown"])
def test_b46_a_transfer_with_the_reference_pays_at_once(issued: Issued, alice: Actor, spelt: str) -> None:
    invoice = issued()
    reference = references.reference_of(invoice)
    text = reference if spelt == "plain" else f"Invoice {references.shown(reference)}, thanks"
    line = line_of(take_in(camt(entry("7.35", text)), alice))

    assert (line.state, state_of(invoice)) == (LineState.MATCHED, InvoiceState.PAID)
    assert line.payment is not None
    assert (line.payment.received_on, line.payment.captured) == (date(2026, 11, 20), DUE)


def test_b46_too_little_leaves_a_rest_and_too_much_a_credit(issued: Issued, alice: Actor) -> None:
    less, more = issued(), issued()
    take_in(camt(
        entry("7.00", references.reference_of(less)), entry("9.00", references.reference_of(more))
    ), alice)  # fmt: skip
    assert (state_of(less), state_of(more)) == (InvoiceState.PARTLY_PAID, InvoiceState.PAID)
    assert allocating.open_amount(Invoice.objects.get(pk=less.pk)) == Decimal("0.35")
    payment = Payment.objects.get(account=more.account)
    assert allocating.unallocated(payment) == Decimal("1.65")


def test_b46_the_same_line_twice_is_one_payment_also_in_another_file(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    content = camt(entry("3.00", references.reference_of(invoice), ref="B1"))
    take_in(content, alice)
    with pytest.raises(Conflict, match="imported already"):
        take_in(content, alice)
    other = camt(
        entry("3.00", references.reference_of(invoice), ref="B1"),
        entry("1.00", references.reference_of(invoice), ref="B2"), number="2",
    )  # fmt: skip
    second = take_in(other, alice)

    assert (second.lines_new, second.lines_known) == (1, 1)
    assert allocating.paid(invoice) == Decimal("4.00")
    assert Payment.objects.filter(account=invoice.account).count() == 2


def test_b46_twins_within_one_file_are_two_payments(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    twin = entry("3.00", references.reference_of(invoice))
    assert take_in(camt(twin, twin), alice).lines_new == 2
    assert allocating.paid(invoice) == Decimal("6.00")


def test_b46_amount_and_name_are_a_proposal_that_a_person_decides(issued: Issued, alice: Actor) -> None:
    invoice = issued("Berta Brandt")
    line = line_of(take_in(camt(entry("7.35", "charging", "BRANDT, BERTA")), alice))
    assert (line.state, line.proposed) == (LineState.PROPOSED, invoice)
    assert not Payment.objects.filter(account=invoice.account).exists()

    matching.confirm(line, invoice, by=alice)
    assert state_of(invoice) == InvoiceState.PAID
    for wish in (
        lambda: matching.confirm(line, invoice, by=alice),
        lambda: matching.leave(line, reason="x", by=alice),
        lambda: matching.give_to(line, invoice.account, by=alice),
    ):
        with pytest.raises(Conflict, match="decided already"):
            wish()
    assert Payment.objects.filter(account=invoice.account).count() == 1


def test_b46_what_fits_nothing_is_left_with_a_reason_or_given_to_a_payer(
    issued: Issued, alice: Actor
) -> None:
    invoice = issued("Clara Conrad")
    first, second = take_in(camt(entry("1.00", "rent"), entry("2.00", "rent")), alice).lines.order_by(
        "amount"
    )
    assert (first.state, second.state) == (LineState.OPEN, LineState.OPEN)
    with pytest.raises(Invalid):
        matching.leave(first, reason=" ", by=alice)
    assert matching.leave(first, reason="rent of the yard", by=alice).state == LineState.LEFT
    given = matching.give_to(second, invoice.account, by=alice)
    assert given.payment is not None
    assert allocating.unallocated(given.payment) == 2
    assert state_of(invoice) == InvoiceState.ISSUED


def test_b46_a_table_is_read_as_banks_write_them(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    table = (
        "Buchungstag;Betrag;Währung;Verwendungszweck;Auftraggeber\r\n"
        f'20.11.2026;"7,35";EUR;{references.reference_of(invoice)};Anna\r\n21.11.2026;-1.234,50;EUR;rent;Yard\r\n'
    )
    row = take_in(table.encode("cp1252"), alice, "november.csv")
    assert (row.format, row.lines_new, state_of(invoice)) == ("csv", 2, InvoiceState.PAID)
    assert row.lines.filter(amount=Decimal("-1234.50"), state=LineState.OPEN).exists()


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><Document><Ntry>&a;</Ntry></Document>'


@pytest.mark.parametrize("content", [
    b"", b"\x00\xff\x00", b"<Document>", BOMB, b"<a>" * 200, camt(entry("much")), camt(entry("NaN")), camt(entry("0")),
    b"date,amount\n2026-11-20,much\n", b"date,amount\n31.31.2026,1\n", b"when,what\n1,2\n", b'date,amount\n"2026',
    b"date,amount,currency\n2026-11-20,1.00,DOGE\n", b"x" * (statements.LARGEST + 1),
])  # fmt: skip
def test_b46_a_file_that_cannot_be_read_is_refused_whole(
    organization: Organization, alice: Actor, content: bytes
) -> None:
    with pytest.raises(Invalid) as refused:
        take_in(content, alice)
    assert refused.value.field == "file"
    assert not BankStatement.objects.filter(organization=organization).exists()
    assert not BankLine.objects.filter(organization=organization).exists()


def test_w01_strangers_import_and_decide_nothing(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    invoice = issued("Dora Dietz")
    line = line_of(take_in(camt(entry("7.35", "x", "Dora Dietz")), alice))
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    for actor, error in ((charlie, NotFound), (bob, NotPermitted)):
        for wish in (
            lambda by: matching.take_in(organization, "x", camt(entry("1.00"), number="9"), by=by),
            lambda by: matching.confirm(line, invoice, by=by),
            lambda by: matching.leave(line, reason="x", by=by),
            lambda by: debits.make_file(organization, COLLECT_ON, by=by),
        ):
            with pytest.raises(error):
                wish(actor)
    assert state_of(invoice) == InvoiceState.ISSUED
    foreign = take_in(camt(entry("7.35", references.reference_of(invoice))), charlie)
    assert line_of(foreign).state == LineState.OPEN
