"""Invoices: every record on one live line, numbers without gaps, and what is issued stands (billing B-14 to B-28)."""

import threading
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection
from django.db.models import Sum
from django.db.transaction import atomic

from billing.models import (
    BillingAccount,
    Cdr,
    Invoice,
    InvoiceLine,
    InvoiceSeries,
    InvoiceState,
    Journal,
    LedgerEntry,
)
from billing.services import corrections, crediting, drafting, issuing, posting, sealing
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import Event, Organization
from core.services import outbox
from drivers.models import Driver
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle

pytestmark = pytest.mark.usefixtures("committed")
Billed = Callable[..., Invoice]


@pytest.fixture
def driver(alice: Actor) -> Driver:
    return factories.make_driver(alice)


@pytest.fixture
def bill(charge: Charge, alice: Actor) -> Billed:
    """A draft of one session for a driver of its own."""

    def made(wh: int = 12_345, driver: Driver | None = None, period: str = THIS_MONTH) -> Invoice:
        session = charge(wh, minutes=1, driver=driver)
        settle()
        record = Cdr.objects.get(transaction=session, credit=False)
        assert record.account is not None
        return drafting.draft(record.account, period, by=alice)[0]

    return made


def entries(invoice: Invoice) -> dict[str, Decimal]:
    rows = LedgerEntry.objects.filter(journal__invoice=invoice).values_list("account").annotate(Sum("amount"))
    return dict(rows)


def test_b15_issuing_gives_number_snapshot_posting_and_news(bill: Billed, alice: Actor) -> None:
    invoice = issuing.issue(bill(), by=alice)
    stored = Invoice.objects.get(pk=invoice.pk)
    outbox.relay(patiently=True)

    assert (stored.state, stored.sequence, stored.due) == (InvoiceState.ISSUED, 1, Decimal("7.35"))
    assert stored.number == f"{stored.issued_on:%Y}-000001"
    assert stored.snapshot["due"] == "7.35"
    assert stored.digest == sealing.digest_of(stored.snapshot)
    assert entries(stored) == {
        "receivable": Decimal("7.35"), "revenue": Decimal("-6.18"), "vat": Decimal("-1.17"),
    }  # fmt: skip
    assert Event.objects.filter(type="invoice.issued", object_id=stored.pk).count() == 1


def test_b16_a_failed_issue_spends_no_number(
    bill: Billed, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = bill(), bill()

    def killed(_: Invoice) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(posting, "post", killed)
        with pytest.raises(KeyboardInterrupt):
            issuing.issue(first, by=alice)
    assert Invoice.objects.get(pk=first.pk).state == InvoiceState.DRAFT
    assert not Journal.objects.filter(invoice=first).exists()

    assert [issuing.issue(one, by=alice).sequence for one in (second, first)] == [1, 2]


def test_b16_eight_issued_at_once_have_eight_numbers_without_a_gap(
    bill: Billed, alice: Actor, organization: Organization
) -> None:
    drafts = [bill() for _ in range(8)]

    def work(invoice: Invoice) -> None:
        try:
            issuing.issue(invoice, by=alice)
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=[one]) for one in drafts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    numbers = Invoice.objects.filter(organization=organization).values_list("sequence", flat=True)
    assert sorted(numbers) == list(range(1, 9))
    assert InvoiceSeries.objects.get(organization=organization).next_number == 9


def test_b16_each_organization_counts_for_itself(bill: Billed, alice: Actor) -> None:
    assert issuing.issue(bill(), by=alice).sequence == 1


def test_b14_what_is_issued_is_not_issued_again(bill: Billed, alice: Actor) -> None:
    invoice = issuing.issue(bill(), by=alice)
    with pytest.raises(Conflict):
        issuing.issue(invoice, by=alice)
    with pytest.raises(Conflict):
        drafting.discard(invoice, by=alice)


@pytest.mark.parametrize("statement", [
    "UPDATE billing_invoice SET net = net - 1, due = due - 1 WHERE id = %s",
    "UPDATE billing_invoice SET number = 'X' WHERE id = %s",
    "UPDATE billing_invoice SET snapshot = '{}' WHERE id = %s",
    "UPDATE billing_invoice SET state = 'draft' WHERE id = %s",
    "DELETE FROM billing_invoice WHERE id = %s",
    "UPDATE billing_invoiceline SET voided_at = now() WHERE invoice_id = %s",
    "DELETE FROM billing_invoiceline WHERE invoice_id = %s",
    "UPDATE billing_ledgerentry SET amount = 1 FROM billing_journal j WHERE j.id = journal_id AND j.invoice_id = %s",
])  # fmt: skip
def test_b17_the_database_refuses_to_change_what_is_issued(
    bill: Billed, alice: Actor, statement: str
) -> None:
    invoice = issuing.issue(bill(), by=alice)
    with pytest.raises(DatabaseError, match=r"cannot be|neither changed|does not go"), atomic():
        connection.cursor().execute(statement, [invoice.pk])

    assert Invoice.objects.get(pk=invoice.pk).due == Decimal("7.35")


def test_s7_a_record_is_never_on_two_live_lines(bill: Billed, alice: Actor) -> None:
    invoice = bill()
    line = invoice.lines.get()
    other = bill()
    with pytest.raises(DatabaseError, match="invoice_line"), atomic():
        InvoiceLine.objects.create(
            invoice=other, cdr=line.cdr, place=2, vat_rate=7, leading=line.leading, net=line.net
        )
    assert line.cdr.lines.filter(voided_at=None).count() == 1


def test_b14_a_discarded_draft_frees_its_records(bill: Billed, alice: Actor) -> None:
    first = bill()
    drafting.discard(first, by=alice)
    again = drafting.draft(first.account, THIS_MONTH, by=alice)

    assert [one.due for one in again] == [Decimal("7.35")]
    assert Invoice.objects.get(pk=first.pk).number == ""


def test_b20_what_comes_late_goes_on_the_invoice_of_the_next_month(
    bill: Billed, charge: Charge, alice: Actor, driver: Driver
) -> None:
    first = issuing.issue(bill(driver=driver), by=alice)
    late = charge(4000, minutes=1, driver=driver)
    settle()
    with pytest.raises(Conflict, match="next month"):
        drafting.draft(first.account, THIS_MONTH, by=alice)
    following = drafting.end_of(THIS_MONTH, first.account.time_zone).strftime("%Y-%m")
    made = drafting.draft(first.account, following, by=alice)

    assert [line.cdr.transaction_id for one in made for line in one.lines.all()] == [late.pk]
    assert Invoice.objects.get(pk=first.pk).digest == first.digest


def test_b19_the_local_end_decides_the_month() -> None:
    # A session that ends 2026-03-31T22:40Z ends in April in Berlin.
    end = drafting.end_of("2026-03", "Europe/Berlin")
    assert end.astimezone(UTC).isoformat() == "2026-03-31T22:00:00+00:00"
    with pytest.raises(Invalid):
        drafting.end_of("2026-13", "Europe/Berlin")


def test_b17_a_credit_note_takes_the_whole_invoice_back_once(bill: Billed, alice: Actor) -> None:
    invoice = issuing.issue(bill(), by=alice)
    note = crediting.credit(invoice, by=alice, reason="wrong meter")

    assert (note.document_type, note.due, note.snapshot["preceding"]) == (
        "381",
        Decimal("7.35"),
        invoice.number,
    )
    assert note.number.startswith("C-")
    assert Invoice.objects.get(pk=invoice.pk).state == InvoiceState.CREDITED
    assert {name: entries(note)[name] + amount for name, amount in entries(invoice).items()} == {
        "receivable": 0, "revenue": 0, "vat": 0,
    }  # fmt: skip
    original = invoice.lines.get().cdr
    assert Cdr.objects.get(credit_reference=original).payable_incl_vat == Decimal("-7.35")
    with pytest.raises(Conflict):
        crediting.credit(invoice, by=alice, reason="again")
    assert drafting.draft(invoice.account, "2099-01", by=alice) == []


def test_b11_a_record_credited_before_its_draft_is_issued_is_not_invoiced(bill: Billed, alice: Actor) -> None:
    invoice = bill()
    corrections.credit(invoice.lines.get().cdr, by=alice, reason="wrong tariff")
    with pytest.raises(Conflict, match="corrected since"):
        issuing.issue(invoice, by=alice)
    drafting.discard(invoice, by=alice)

    assert drafting.draft(invoice.account, THIS_MONTH, by=alice) == []


def test_b48_an_unbalanced_journal_is_refused_at_the_commit(bill: Billed, alice: Actor) -> None:
    invoice = bill()

    def post(*amounts: int) -> None:
        with atomic():
            journal = Journal.objects.create(
                organization=invoice.organization, currency="EUR", posted_at=clock.now()
            )
            for amount in amounts:
                LedgerEntry.objects.create(journal=journal, account="revenue", amount=amount)

    for amounts in ((5, -4), (5,), ()):
        with pytest.raises(DatabaseError, match="add up to 0"):
            post(*amounts)
    post(5, -4, -1)


def test_b15_strangers_and_those_without_the_permission_issue_nothing(
    bill: Billed, organization: Organization
) -> None:
    invoice = bill()
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    for actor, error in ((charlie, NotFound), (bob, NotPermitted)):
        with pytest.raises(error):
            issuing.issue(invoice, by=actor)
        with pytest.raises(error):
            drafting.discard(invoice, by=actor)
        with pytest.raises(error):
            drafting.draft(invoice.account, THIS_MONTH, by=actor)

    assert Invoice.objects.get(pk=invoice.pk).state == InvoiceState.DRAFT
    assert not BillingAccount.objects.visible_to(charlie).filter(pk=invoice.account_id).exists()
