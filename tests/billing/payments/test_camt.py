"""What camt entries say: parts of a collective one, reversals, several statements, what is not booked yet (B-46)."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from billing.models import BankLine, Invoice, InvoiceState, LineState, Payment
from billing.services.payments import allocating, matching, references
from core.access import Actor
from core.errors import Invalid
from tests.billing.conftest import NEXT_PERIOD
from tests.billing.payments.camt_files import (
    camt,
    collective,
    entry,
    line_of,
    part,
    state_of,
    statements_of,
    take_in,
)
from tests.billing.payments.conftest import DUE, Issued

pytestmark = pytest.mark.usefixtures("committed")


Told = Callable[[str], str]


def amt(value: str, currency: str = "EUR") -> str:
    return f'<Amt Ccy="{currency}">{value}</Amt>'


def detail(name: str, value: str, currency: str = "EUR") -> str:
    return f"<AmtDtls><{name}>{amt(value, currency)}</{name}></AmtDtls>"


def ref(invoice: Invoice) -> str:
    return references.reference_of(invoice)


@pytest.mark.parametrize(
    "amounts", [amt, lambda one: detail("TxAmt", one), lambda one: detail("InstdAmt", one)]
)
def test_b46_parts_of_a_collective_entry_are_booked_by_their_own_amounts(
    issued: Issued, alice: Actor, amounts: Told
) -> None:
    first, second = issued(), issued()
    batch = collective(
        "10.35", part(ref(first), amounts=amounts("7.35")), part(ref(second), amounts=amounts("3.00"))
    )
    lines = take_in(camt(batch), alice).lines.order_by("amount")
    assert [(one.amount, one.state) for one in lines] == [(3, LineState.MATCHED), (DUE, LineState.MATCHED)]
    assert (state_of(first), state_of(second)) == (InvoiceState.PAID, InvoiceState.PARTLY_PAID)


UNSURE = {
    "no amounts": ("", ""),
    "one amount only": (amt("7.35"), ""),
    "another sum": (amt("7.35"), amt("2.00")),
    "another currency": (amt("7.35"), detail("InstdAmt", "3.00", "USD")),
}


@pytest.mark.parametrize("amounts", UNSURE.values(), ids=UNSURE)
def test_b46_a_collective_entry_whose_parts_do_not_add_up_is_one_line_that_waits_for_a_person(
    issued: Issued, alice: Actor, amounts: tuple[str, str]
) -> None:
    first, second = issued(), issued()
    batch = collective("10.35", part(ref(first), amounts=amounts[0]), part(ref(second), amounts=amounts[1]))
    line = line_of(take_in(camt(batch), alice))

    assert (line.amount, line.state, line.payment) == (Decimal("10.35"), LineState.OPEN, None)
    assert "do not add up" in line.reason
    assert ref(first) in line.text
    assert ref(second) in line.text
    assert (state_of(first), state_of(second)) == (InvoiceState.ISSUED, InvoiceState.ISSUED)
    assert not Payment.objects.filter(organization=first.organization).exists()

    decided = matching.give_to(line, first.account, by=alice)
    assert decided.payment is not None
    assert allocating.unallocated(decided.payment) == Decimal("10.35")
    assert "do not add up" in decided.reason, "why a person decided it stays"


def test_b46_an_entry_of_several_payments_that_tells_of_one_only_waits_too(
    issued: Issued, alice: Actor
) -> None:
    invoice = issued()
    batch = collective("10.35", "<Btch><NbOfTxs>2</NbOfTxs></Btch>", part(ref(invoice)))
    line = line_of(take_in(camt(batch), alice))
    assert (line.amount, line.state, state_of(invoice)) == (
        Decimal("10.35"), LineState.OPEN, InvoiceState.ISSUED,
    )  # fmt: skip


def test_b46_the_amount_of_a_single_entry_is_what_the_account_got(issued: Issued, alice: Actor) -> None:
    """What the payer sent in another currency, or before charges, is not what came."""
    foreign, charged = issued(), issued()
    lines = take_in(camt(
        collective("7.35", part(ref(foreign), amounts=detail("InstdAmt", "8.00", "USD")), ref="A"),
        collective("7.00", part(ref(charged), amounts=detail("TxAmt", "7.35")), ref="B"),
    ), alice).lines.order_by("-amount")  # fmt: skip
    assert [(one.amount, one.state) for one in lines] == [(DUE, LineState.MATCHED), (7, LineState.PROPOSED)]
    assert (state_of(foreign), state_of(charged)) == (InvoiceState.PAID, InvoiceState.ISSUED)
    assert lines[1].proposed == charged
    assert "charges" in lines[1].reason


def test_b46_the_parts_of_an_entry_may_go_both_ways(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    out = part("fee", amounts=f"{amt('0.35')}<CdtDbtInd>DBIT</CdtDbtInd>")
    into = part(ref(invoice), amounts=f"{amt('7.35')}<CdtDbtInd>CRDT</CdtDbtInd>")
    lines = take_in(camt(collective("7.00", into, out)), alice).lines.order_by("amount")
    assert [(one.amount, one.state) for one in lines] == [
        (Decimal("-0.35"), LineState.OPEN), (DUE, LineState.MATCHED),
    ]  # fmt: skip
    assert state_of(invoice) == InvoiceState.PAID


@pytest.mark.parametrize("status", [
    "<Sts>PDNG</Sts>", "<Sts><Cd>PDNG</Cd></Sts>", "<Sts><Cd>INFO</Cd></Sts>", "<Sts><Prtry>PDNG</Prtry></Sts>",
    "<Sts><Cd>FUTR</Cd></Sts>",
])  # fmt: skip
def test_b46_what_is_not_booked_yet_is_not_booked_and_later_booked_once(
    issued: Issued, alice: Actor, status: str
) -> None:
    invoice = issued()
    waiting = entry("7.35", ref(invoice), status=status)
    with pytest.raises(Invalid, match="holds no booking"):
        take_in(camt(waiting), alice)
    first = take_in(camt(waiting, entry("1.00", "rent"), number="2"), alice)
    assert (first.lines_new, state_of(invoice)) == (1, InvoiceState.ISSUED)
    take_in(camt(entry("7.35", ref(invoice)), number="3"), alice)
    assert state_of(invoice) == InvoiceState.PAID
    assert Payment.objects.filter(account=invoice.account).count() == 1


def test_b46_each_statement_of_a_file_is_read(issued: Issued, alice: Actor) -> None:
    first, second = issued(), issued()
    file = statements_of(entry("7.35", ref(first)), "", entry("7.35", ref(second)))
    assert take_in(file, alice).lines_new == 2
    assert (state_of(first), state_of(second)) == (InvoiceState.PAID, InvoiceState.PAID)


def test_b46_a_reversed_credit_takes_its_payment_back(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    take_in(camt(entry("7.35", ref(invoice))), alice)
    assert state_of(invoice) == InvoiceState.PAID
    line = line_of(take_in(camt(
        entry("7.35", ref(invoice), sign="DBIT", reversal="true"), number="2",
    ), alice))  # fmt: skip
    payment = Payment.objects.get(account=invoice.account)
    assert (line.state, line.payment, payment.state) == (LineState.MATCHED, payment, "returned")
    assert (state_of(invoice), allocating.open_amount(Invoice.objects.get(pk=invoice.pk))) == (
        InvoiceState.PARTLY_PAID, DUE,
    )  # fmt: skip


def test_b46_a_reversal_within_one_file_and_of_a_booking_that_waits(issued: Issued, alice: Actor) -> None:
    paid, waiting = issued(), issued("Wanda Waits")
    lines = take_in(camt(
        entry("7.35", ref(paid)), entry("7.35", ref(paid), sign="DBIT", reversal="1"),
        entry("7.35", "thanks", "Wanda Waits"), entry("7.35", "thanks", "Wanda Waits", sign="DBIT", reversal="true"),
    ), alice).lines.order_by("id")  # fmt: skip
    assert [one.state for one in lines] == [
        LineState.MATCHED, LineState.MATCHED, LineState.PROPOSED, LineState.OPEN,
    ]  # fmt: skip
    assert "reversed" in lines[3].reason
    assert "reversed" in lines[2].reason, "who confirms it has to know"
    assert (state_of(paid), state_of(waiting)) == (InvoiceState.PARTLY_PAID, InvoiceState.ISSUED)


def test_b46_a_reversed_debit_is_no_payment_by_itself(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    line = line_of(take_in(camt(entry("7.35", ref(invoice), reversal="true")), alice))
    assert (line.state, line.proposed, state_of(invoice)) == (
        LineState.PROPOSED, invoice, InvoiceState.ISSUED,
    )  # fmt: skip
    assert "reversed" in line.reason
    matching.confirm(line, invoice, by=alice)
    assert state_of(invoice) == InvoiceState.PAID


@pytest.mark.parametrize("wrong", [
    entry("7.35").replace("<CdtDbtInd>CRDT</CdtDbtInd>", ""), entry("7.35", sign="BOTH"), entry("-7.35"),
    entry("7.35").replace("2026-11-20", "soon"),
])  # fmt: skip
def test_b46_an_entry_that_does_not_say_which_way_it_goes_is_refused(alice: Actor, wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        take_in(camt(wrong), alice)
    assert refused.value.field == "file"
    assert not BankLine.objects.filter(organization_id=alice.organization_id).exists()


def test_b46_one_transfer_that_names_several_invoices_of_a_payer_settles_them_in_turn(
    issued: Issued, alice: Actor
) -> None:
    first = issued("Sara Several")
    second = issued(driver=first.account.driver, period=NEXT_PERIOD)
    text = f"{references.shown(ref(first))} {references.shown(ref(second))}"
    line = line_of(take_in(camt(entry("10.35", text)), alice))
    assert (line.state, state_of(first), state_of(second)) == (
        LineState.MATCHED, InvoiceState.PAID, InvoiceState.PARTLY_PAID,
    )  # fmt: skip


def test_b46_one_transfer_that_names_invoices_of_several_payers_waits(issued: Issued, alice: Actor) -> None:
    first, second = issued(), issued()
    line = line_of(take_in(camt(entry("14.70", f"{ref(first)} {ref(second)}")), alice))
    assert (line.state, line.proposed) == (LineState.PROPOSED, first)
    assert "several payers" in line.reason
    assert not Payment.objects.filter(organization=first.organization).exists()
