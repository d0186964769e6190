"""Money in and out: what settles an invoice, what comes back, and what the ledger says (billing B-14, B-42 to B-50)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError
from django.db.models import Sum
from django.db.transaction import atomic

from billing.models import (
    Allocation,
    Invoice,
    InvoiceState,
    LedgerEntry,
    Method,
    Payment,
    PaymentState,
    Purpose,
    Refund,
    Wallet,
    WalletReservation,
)
from billing.services import crediting
from billing.services.payments import allocating, receiving, refunding, wallets, watching
from core.access import Actor, Role
from core.errors import Conflict, DomainError, Invalid, NotFound, NotPermitted
from core.models import Event, Organization
from core.services import outbox
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.payments.conftest import DUE, Issued

pytestmark = pytest.mark.usefixtures("committed")
TODAY = date(2026, 11, 20)
NEXT_MONTH = f"{date.fromisoformat(THIS_MONTH + '-28') + timedelta(days=7):%Y-%m}"


def pay(invoice: Invoice, amount: str, by: Actor) -> Payment:
    return receiving.record(invoice, Decimal(amount), received_on=TODAY, by=by)


def state_of(invoice: Invoice) -> str:
    return Invoice.objects.get(pk=invoice.pk).state


def balance(account_id: object, account: str) -> Decimal:
    rows = LedgerEntry.objects.filter(payer_id=account_id, account=account)
    return rows.aggregate(total=Sum("amount"))["total"] or Decimal(0)


def paid_events(invoice: Invoice) -> int:
    outbox.relay(patiently=True)
    return Event.objects.filter(type="invoice.paid", object_id=invoice.pk).count()


def test_b14_an_invoice_is_partly_paid_then_paid_and_tells_so_once(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    pay(invoice, "3.00", alice)
    assert (state_of(invoice), paid_events(invoice)) == (InvoiceState.PARTLY_PAID, 0)
    pay(Invoice.objects.get(pk=invoice.pk), "4.35", alice)

    assert (state_of(invoice), paid_events(invoice)) == (InvoiceState.PAID, 1)
    assert balance(invoice.account_id, "receivable") == 0
    with pytest.raises(Conflict, match="Nothing is owed"):
        pay(Invoice.objects.get(pk=invoice.pk), "1.00", alice)


def test_b46_an_overpayment_stays_as_the_payers_credit_and_pays_the_next_invoice(
    issued: Issued, alice: Actor
) -> None:
    invoice = issued()
    payment = pay(invoice, "10.00", alice)
    assert state_of(invoice) == InvoiceState.PAID
    assert allocating.unallocated(payment) == Decimal("2.65")
    assert balance(invoice.account_id, "receivable") == Decimal("-2.65")

    other = issued()
    with pytest.raises(Conflict, match="another payer"):
        allocating.allocate(payment, other, by=alice)
    assert not Allocation.objects.filter(invoice=other).exists()


def test_b14_a_returned_payment_reopens_its_invoice_and_posts_the_fee(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    payment = pay(invoice, "7.35", alice)
    for _ in range(2):
        receiving.take_back(payment, reason="MS03", fee=Decimal("3.50"), by=alice)

    assert state_of(invoice) == InvoiceState.PARTLY_PAID
    assert allocating.open_amount(Invoice.objects.get(pk=invoice.pk)) == DUE
    assert balance(invoice.account_id, "receivable") == DUE
    fees = LedgerEntry.objects.filter(account="fees", journal__payment_posting__payment=payment)
    assert [entry.amount for entry in fees] == [Decimal("3.50")]
    pay(Invoice.objects.get(pk=invoice.pk), "7.35", alice)
    assert state_of(invoice) == InvoiceState.PAID


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "NaN", "1E+30"])
def test_b28_an_amount_that_is_none_is_refused(issued: Issued, alice: Actor, amount: str) -> None:
    invoice = issued()
    with pytest.raises(Invalid):
        pay(invoice, amount, alice)
    assert not Payment.objects.filter(account=invoice.account).exists()


def test_b42_a_refund_is_never_above_the_payment_and_never_of_what_settles(
    issued: Issued, alice: Actor
) -> None:
    payment = pay(issued(), "10.00", alice)
    with pytest.raises(Invalid, match="more than is left"):
        refunding.refund(payment, Decimal("10.01"), reason="wrong", by=alice)
    with pytest.raises(Conflict, match="credit note"):
        refunding.refund(payment, Decimal("2.66"), reason="wrong", by=alice)
    assert not Refund.objects.filter(payment=payment).exists()

    refunding.refund(payment, Decimal("2.65"), reason="paid too much", by=alice)
    with pytest.raises(Conflict):
        refunding.refund(payment, Decimal("0.01"), reason="again", by=alice)
    assert Payment.objects.get(pk=payment.pk).refunded == Decimal("2.65")
    assert balance(payment.account_id, "receivable") == 0


def test_b42_a_refund_of_a_credit_note_is_at_most_what_it_gives_back(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    note = crediting.credit(invoice, by=alice, reason="wrong meter")
    payment = receiving.book(
        organization_id=invoice.organization_id, account=invoice.account, amount=Decimal(20), currency="EUR",
        method=Method.MANUAL, received_on=TODAY, by=alice,
    )  # fmt: skip
    with pytest.raises(Invalid, match="credit note gives back"):
        refunding.refund(payment, Decimal(8), reason="back", credit_note=note, by=alice)
    refunding.refund(payment, DUE, reason="back", credit_note=note, by=alice)
    with pytest.raises(Invalid, match="credit note gives back"):
        refunding.refund(payment, Decimal("0.01"), reason="again", credit_note=note, by=alice)


def test_b46_what_was_paid_of_an_invoice_that_is_credited_is_the_payers_credit_again(
    issued: Issued, alice: Actor
) -> None:
    driver = factories.make_driver(alice)
    first = issued(driver=driver)
    payment = pay(first, "7.35", alice)
    note = crediting.credit(first, by=alice, reason="wrong meter")
    again = issued(driver=driver, period=NEXT_MONTH)
    freed = allocating.unallocated(Payment.objects.get(pk=payment.pk))
    allocating.allocate(payment, again, by=alice, amount=Decimal(5))

    assert (freed, state_of(first), state_of(again)) == (DUE, InvoiceState.PAID, InvoiceState.PARTLY_PAID)
    with pytest.raises(Conflict, match="credit note only"):
        refunding.refund(payment, Decimal("2.36"), reason="back", credit_note=note, by=alice)
    refunding.refund(payment, Decimal("2.35"), reason="back", credit_note=note, by=alice)
    assert balance(first.account_id, "receivable") == Decimal("2.35"), "owed of the second invoice"
    assert allocating.open_amount(again) == Decimal("2.35")


def test_b46_of_an_invoice_credited_in_part_that_part_alone_is_free(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    payment = pay(invoice, "7.35", alice)
    line = invoice.lines.get()
    crediting.credit(invoice, by=alice, reason="goodwill", parts={line.pk: Decimal("2.00")})
    freed = allocating.unallocated(Payment.objects.get(pk=payment.pk))
    crediting.credit(invoice, by=alice, reason="goodwill", parts={line.pk: Decimal("1.00")})

    assert (freed, allocating.unallocated(payment)) == (Decimal(2), Decimal(3))
    assert (allocating.paid(invoice), state_of(invoice)) == (Decimal("4.35"), InvoiceState.PAID)


def test_b49_what_a_wallet_paid_of_an_invoice_that_is_credited_is_in_the_wallet_again(
    issued: Issued, alice: Actor
) -> None:
    invoice = issued()
    top_up(invoice.account, "10.00", alice)
    wallets.pay(invoice)
    line = invoice.lines.get()
    crediting.credit(invoice, by=alice, reason="goodwill", parts={line.pk: Decimal("2.00")})
    partly = Wallet.objects.get(account=invoice.account).balance
    note = crediting.credit(Invoice.objects.get(pk=invoice.pk), by=alice, reason="wrong meter")

    assert (partly, Wallet.objects.get(account=invoice.account).balance) == (Decimal("4.65"), Decimal(10))
    assert balance(invoice.account_id, "wallet") == Decimal(-10)
    assert balance(invoice.account_id, "receivable") == 0
    assert Refund.objects.get(credit_note=note).amount == Decimal("5.35")


def test_s7_the_database_refuses_captures_above_the_hold_and_refunds_above_the_capture(
    issued: Issued, alice: Actor
) -> None:
    payment = pay(issued(), "7.35", alice)
    for values in ({"captured": Decimal(8)}, {"refunded": Decimal(8)}):
        with pytest.raises(DatabaseError), atomic():
            Payment.objects.filter(pk=payment.pk).update(**values)
    with pytest.raises(DatabaseError, match="does not go"), atomic():
        Payment.objects.filter(pk=payment.pk).update(state=PaymentState.PENDING)
    other = issued()
    with pytest.raises(DatabaseError, match="settles"), atomic():
        Allocation.objects.create(
            payment=payment, invoice=other, amount=1, made_by="x", made_at=payment.created_at
        )


def top_up(account: object, amount: str, by: Actor) -> Payment:
    return receiving.book(
        organization_id=by.home, account=account, amount=Decimal(amount), currency="EUR",  # type: ignore[arg-type]
        method=Method.MANUAL, received_on=TODAY, purpose=Purpose.TOP_UP, by=by,
    )  # fmt: skip


def test_b49_a_wallet_is_filled_pays_and_gives_back_the_rest(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    filled = top_up(invoice.account, "40.00", alice)
    watching.pay_from_wallets()
    wallet = Wallet.objects.get(account=invoice.account)
    assert (wallet.balance, state_of(invoice)) == (Decimal("32.65"), InvoiceState.PAID)
    assert balance(invoice.account_id, "wallet") == Decimal("-32.65")

    with pytest.raises(Conflict, match="not enough"):
        refunding.refund(filled, Decimal("32.66"), reason="rest", by=alice)
    refunding.refund(filled, Decimal("32.65"), reason="rest", by=alice)
    wallet.refresh_from_db()
    assert (wallet.balance, balance(invoice.account_id, "wallet")) == (0, 0)
    assert wallets.differences() == [] or all(w.pk != wallet.pk for w, _ in wallets.differences())


def test_b49_a_wallet_with_too_little_pays_in_part(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    top_up(invoice.account, "5.00", alice)
    watching.pay_from_wallets()
    assert state_of(invoice) == InvoiceState.PARTLY_PAID
    assert Wallet.objects.get(account=invoice.account).balance == 0
    assert wallets.pay(Invoice.objects.get(pk=invoice.pk)) is None


def test_b48_a_balance_that_the_ledger_does_not_prove_is_refused_and_found(
    issued: Issued, alice: Actor
) -> None:
    invoice = issued()
    top_up(invoice.account, "5.00", alice)
    wallet = Wallet.objects.get(account=invoice.account)
    with pytest.raises(DatabaseError, match="wallet_not_below"), atomic():
        Wallet.objects.filter(pk=wallet.pk).update(balance=-1)
    Wallet.objects.filter(pk=wallet.pk).update(balance=9)
    assert (wallet.pk, Decimal(5)) in [(one.pk, proven) for one, proven in wallets.differences()]
    with pytest.raises(DatabaseError, match="the ledger has"):
        top_up(invoice.account, "1.00", alice)
    Wallet.objects.filter(pk=wallet.pk).update(balance=5)


def test_b50_sessions_reserve_settle_and_release_one_wallet(
    charge: Charge, issued: Issued, alice: Actor
) -> None:
    driver = factories.make_driver(alice)
    first = issued(driver=driver)
    top_up(first.account, "30.00", alice)
    watching.pay_from_wallets()
    session = charge(4000, minutes=1, driver=driver)
    reservation = wallets.reserve(session)
    assert reservation is not None
    wallet = Wallet.objects.get(account=first.account)
    assert (wallet.balance, wallet.reserved, wallet.available) == (
        Decimal("22.65"),
        Decimal(20),
        Decimal("2.65"),
    )

    settle()
    wallets.watch()
    reservation.refresh_from_db()
    wallet.refresh_from_db()
    record = session.cdrs.get()
    assert reservation.settled_at is not None
    assert reservation.amount == wallet.reserved == record.payable_incl_vat
    assert WalletReservation.objects.filter(wallet=wallet).count() == 1


def test_b50_a_returned_top_up_takes_what_is_there_and_the_rest_is_owed(issued: Issued, alice: Actor) -> None:
    invoice = issued()
    filled = top_up(invoice.account, "10.00", alice)
    watching.pay_from_wallets()
    receiving.take_back(filled, reason="fraud", by=alice)

    assert Wallet.objects.get(account=invoice.account).balance == 0
    assert balance(invoice.account_id, "receivable") == DUE


def test_w01_strangers_and_those_without_the_permission_move_no_money(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    invoice = issued()
    payment = pay(invoice, "8.00", alice)
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    wallet = wallets.open_(invoice.account, by=alice)
    for actor, error in ((charlie, NotFound), (bob, NotPermitted)):
        wishes = (
            lambda by: pay(invoice, "1.00", by),
            lambda by: allocating.allocate(payment, invoice, by=by),
            lambda by: receiving.take_back(payment, reason="x", by=by),
            lambda by: refunding.refund(payment, Decimal("0.10"), reason="x", by=by),
            lambda by: wallets.open_(invoice.account, by=by),
            lambda by: wallets.allow(wallet, Decimal(5), by=by),
            lambda by: wallets.pay(invoice, by=by),
        )
        for wish in wishes:
            with pytest.raises((error, DomainError)) as caught:
                wish(actor)
            assert isinstance(caught.value, error)
    assert Payment.objects.get(pk=payment.pk).refunded == 0
    assert not Payment.objects.visible_to(charlie).filter(pk=payment.pk).exists()
