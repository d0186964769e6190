"""Credit notes of lines and amounts: named, bounded, and adding up to the invoice (billing B-10, B-11, B-17, B-28)."""

from decimal import Decimal

import pytest
from django.db import DatabaseError
from django.db.models import Sum
from django.db.transaction import atomic

from billing.models import BillingAccount, Cdr, Invoice, InvoiceLine, InvoiceState, LedgerEntry
from billing.services import crediting, documents, drafting, issuing, running, sealing
from billing.services.payments import allocating
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import Organization
from stations.models import SessionCost, Transaction
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.payments.test_payments import pay

pytestmark = pytest.mark.usefixtures("committed")
WHY = "the station was out of order"


@pytest.fixture
def invoice(charge: Charge, alice: Actor) -> Invoice:
    """Three sessions of one driver: 7.35, 2.38 and 0.60 with 19 % VAT, 10.33 in all."""
    driver = factories.make_driver(alice)
    for wh in (12_345, 4_000, 1_000):
        charge(wh, driver=driver)
    settle()
    return issuing.issue(drafting.draft(driver.billing_account, THIS_MONTH, by=alice)[0], by=alice)


def line_of(invoice: Invoice, amount: str) -> InvoiceLine:
    return invoice.lines.get(leading=Decimal(amount))


def posted(account: BillingAccount) -> dict[str, Decimal]:
    organization = account.organization
    rows = LedgerEntry.objects.filter(journal__organization=organization).values_list("account")
    return dict(rows.annotate(Sum("amount")))


def fresh(invoice: Invoice) -> Invoice:
    return Invoice.objects.get(pk=invoice.pk)


def test_b17_a_chosen_line_is_credited_with_its_record_and_can_be_billed_anew(
    invoice: Invoice, alice: Actor
) -> None:
    line = line_of(invoice, "2.38")
    note = crediting.credit(invoice, by=alice, reason=WHY, parts={line.pk: None})
    [credited] = note.lines.all()

    assert (note.number[:2], note.due, note.net, note.vat) == (
        "C-",
        Decimal("2.38"),
        line.net,
        Decimal("0.38"),
    )
    assert (credited.credits, credited.cdr.credit_reference) == (line, line.cdr)
    assert (fresh(invoice).state, fresh(invoice).digest) == (InvoiceState.ISSUED, invoice.digest)
    assert allocating.open_amount(fresh(invoice)) == Decimal("7.95")
    assert note.snapshot["part"]
    assert Cdr.objects.filter(credit=True, account=invoice.account).count() == 1
    with pytest.raises(Invalid, match="Nothing is left"):
        crediting.credit(invoice, by=alice, reason=WHY, parts={line.pk: None})


def test_b17_amounts_of_a_line_are_credited_until_nothing_is_left_and_add_up_to_the_invoice(
    invoice: Invoice, alice: Actor
) -> None:
    line = line_of(invoice, "7.35")
    for amount in ("0.01", "0.03", "3.33"):
        crediting.credit(invoice, by=alice, reason=WHY, parts={line.pk: Decimal(amount)})
    with pytest.raises(Invalid, match=r"at most 3\.98"):
        crediting.credit(invoice, by=alice, reason=WHY, parts={line.pk: Decimal("3.99")})
    assert not Cdr.objects.filter(credit=True, account=invoice.account).exists(), "the record stands"
    last = crediting.credit(invoice, by=alice, reason=WHY)

    notes = list(invoice.credit_notes.all())
    assert last.due == Decimal("6.96")
    for name in ("net", "vat", "rounding", "due"):
        assert sum(getattr(one, name) for one in notes) == getattr(invoice, name), name
    assert {name: total for name, total in posted(invoice.account).items() if total} == {}
    assert fresh(invoice).state == InvoiceState.CREDITED
    with pytest.raises(Conflict):
        crediting.credit(invoice, by=alice, reason=WHY)
    assert [documents.render(one, kind) != b"" for one in notes for kind in ("cii", "ubl")] == [True] * 8


def test_b17_refused_amounts_leave_no_note(invoice: Invoice, alice: Actor) -> None:
    line = line_of(invoice, "0.60")
    for parts, why in (
        ({line.pk: Decimal("0.61")}, r"at most 0\.60"),
        ({line.pk: Decimal("-0.10")}, "above nothing"),
        ({line.pk: Decimal("0.005")}, "decimal places"),
        ({line.pk + 10_000: None}, "There is no line"),
        ({}, "at least one line"),
    ):
        with pytest.raises((Invalid, Conflict), match=why):
            crediting.credit(invoice, by=alice, reason=WHY, parts=parts)
    with pytest.raises(Invalid):
        crediting.credit(invoice, by=alice, reason=" ")
    assert not invoice.credit_notes.exists()


@atomic
def above(line: InvoiceLine) -> None:
    """A credit of more than the line, written past the service."""
    invoice = line.invoice
    note = Invoice.objects.create(
        organization=invoice.organization, account=invoice.account, kind="credit", document_type="381",
        credits=invoice, period=invoice.period, currency="EUR", basis="gross", net=Decimal("0.50"),
        vat=Decimal("0.20"), due=Decimal("0.70"),
    )  # fmt: skip
    InvoiceLine.objects.create(
        invoice=note,
        cdr=line.cdr,
        credits=line,
        place=1,
        vat_rate=19,
        leading=Decimal("0.70"),
        net=line.net,
    )


def test_s7_the_database_refuses_credits_above_their_line(invoice: Invoice, alice: Actor) -> None:
    line = line_of(invoice, "0.60")
    with pytest.raises(DatabaseError, match=r"has 0\.6000, its credits 0\.7000"):
        above(line)


def test_b17_a_paid_invoice_is_credited_in_part_and_stays_paid(invoice: Invoice, alice: Actor) -> None:
    pay(invoice, "10.33", alice)
    note = crediting.credit(fresh(invoice), by=alice, reason=WHY, parts={line_of(invoice, "0.60").pk: None})

    assert (note.due, fresh(invoice).state) == (Decimal("0.60"), InvoiceState.PAID)
    assert posted(invoice.account)["receivable"] == Decimal("-0.60")


def test_b14_what_is_paid_and_credited_leaves_nothing_open(invoice: Invoice, alice: Actor) -> None:
    pay(invoice, "7.95", alice)
    assert fresh(invoice).state == InvoiceState.PARTLY_PAID
    crediting.credit(fresh(invoice), by=alice, reason=WHY, parts={line_of(invoice, "2.38").pk: None})
    assert (fresh(invoice).state, allocating.open_amount(fresh(invoice))) == (InvoiceState.PAID, 0)


def test_b11_a_record_on_an_issued_invoice_is_credited_by_a_credit_note(
    invoice: Invoice, alice: Actor
) -> None:
    record = line_of(invoice, "2.38").cdr
    taken_back = crediting.credit_record(record, by=alice, reason=WHY)

    [note] = invoice.credit_notes.all()
    assert (note.due, note.lines.get().cdr) == (Decimal("2.38"), taken_back)
    assert taken_back.credit_reference == record
    assert posted(invoice.account)["receivable"] == Decimal("7.95")
    part = line_of(invoice, "7.35")
    crediting.credit(invoice, by=alice, reason=WHY, parts={part.pk: Decimal(1)})
    with pytest.raises(Conflict, match="A part of this"):
        crediting.credit_record(part.cdr, by=alice, reason=WHY)


def test_b11_a_record_that_no_invoice_has_is_credited_without_a_note(charge: Charge, alice: Actor) -> None:
    session = charge()
    settle()
    crediting.credit_record(Cdr.objects.get(transaction=session), by=alice, reason=WHY)
    assert not Invoice.objects.filter(organization=session.organization).exists()


def test_b17_strangers_and_those_without_the_permission_credit_nothing(
    invoice: Invoice, organization: Organization
) -> None:
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    for actor, error in ((charlie, NotFound), (bob, NotPermitted)):
        with pytest.raises(error):
            crediting.credit(invoice, by=actor, reason=WHY, parts={line_of(invoice, "0.60").pk: None})
        with pytest.raises(error):
            crediting.credit_record(line_of(invoice, "0.60").cdr, by=actor, reason=WHY)
    assert not invoice.credit_notes.exists()


def gave(charge: Charge, alice: Actor, *amounts: str) -> BillingAccount:
    """A driver whose sessions have these totals with VAT; below nothing the car gave more than it took."""
    driver = factories.make_driver(alice)
    for amount in amounts:
        session = charge(1000, driver=driver)
        sealing.make(session, cost_of(session, Decimal(amount)), now=clock.now())
    account: BillingAccount = driver.billing_account
    return account


def cost_of(session: Transaction, gross: Decimal) -> SessionCost:
    """As it would be priced; nothing is stored."""
    cost = SessionCost.objects.get(pk=session.pk)
    net = (gross / Decimal("1.19")).quantize(Decimal("0.01"))
    paid = {"excl_vat": f"{net}", "vat": f"{gross - net}", "incl_vat": f"{gross}"}
    cost.answer["vat_groups"][0]["payable"] = paid
    cost.answer["total_cost"] = {**cost.answer["total_cost"], "excl_vat": f"{net}", "incl_vat": f"{gross}"}
    cost.excl_vat, cost.vat, cost.incl_vat = net, gross - net, gross
    return cost


def test_b28_a_month_below_nothing_is_issued_as_a_credit_note(
    charge: Charge, alice: Actor, organization: Organization
) -> None:
    account = gave(charge, alice, "3.00", "-10.14")
    [seen] = running.preview(organization, THIS_MONTH, by=alice)
    run = running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()
    note = Invoice.objects.get(account=account)
    [sums] = running.amounts(run)

    assert (note.document_type, note.number[:2], note.state) == ("381", "C-", InvoiceState.ISSUED)
    assert (note.net, note.vat, note.due) == (Decimal("6.00"), Decimal("1.14"), Decimal("7.14"))
    assert sorted(note.lines.values_list("leading", flat=True)) == [Decimal("-3"), Decimal("10.14")]
    assert (seen.due, sums["due"]) == (Decimal("-7.14"), Decimal("-7.14"))
    assert posted(account)["receivable"] == Decimal("-7.14")
    assert [documents.render(note, kind) != b"" for kind in ("cii", "ubl", "pdf")] == [True] * 3


def test_b28_what_was_given_reduces_an_invoice_above_nothing(charge: Charge, alice: Actor) -> None:
    account = gave(charge, alice, "10.00", "-2.86")
    invoice = issuing.issue(drafting.draft(account, THIS_MONTH, by=alice)[0], by=alice)
    assert (invoice.document_type, invoice.due, invoice.net) == ("380", Decimal("7.14"), Decimal("6.00"))
