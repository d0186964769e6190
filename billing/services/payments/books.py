"""What payments say in the ledger: each step of a payment one journal, once (billing B-48, B-49).

Debit is positive. Money at the provider or the bank stands against the payer's receivable, against the wallet
for a top-up, or against what is not assigned yet while nobody knows who paid.
"""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, Sum

from billing.models import (
    Journal,
    LedgerAccount,
    LedgerEntry,
    Method,
    Movement,
    Payment,
    PaymentPosting,
    ProviderMovement,
    Purpose,
)
from core import clock

Side = tuple[LedgerAccount, Decimal]
_OF_PAYER = frozenset({LedgerAccount.RECEIVABLE, LedgerAccount.WALLET})


def receive(payment: Payment) -> None:
    """What was captured is ours."""
    amount = payment.captured
    _post(payment, "received", [(_money(payment), amount), (counterpart(payment), -amount)])


def refund(payment: Payment, amount: Decimal, step: str) -> None:
    """So much goes back."""
    _post(payment, step, [(counterpart(payment), amount), (_money(payment), -amount)])


def assign(payment: Payment) -> None:
    """It is known now who paid; call it once ``account`` is set."""
    rest = payment.captured - payment.refunded
    _post(payment, "assigned", [(LedgerAccount.UNASSIGNED, rest), (LedgerAccount.RECEIVABLE, -rest)])


def take_back(payment: Payment, missing: Decimal = Decimal(0)) -> None:
    """The bank took it back. Of a top-up the wallet gives what it has; the payer owes the rest."""
    rest = payment.captured - payment.refunded
    sides = [(_money(payment), -rest), (counterpart(payment), rest - missing)]
    _post(payment, "returned", [*sides, (LedgerAccount.RECEIVABLE, missing)])


def lose(payment: Payment, amount: Decimal, missing: Decimal, step: str) -> None:
    """A part of it went back by a dispute; of a top-up the payer owes what the wallet does not have."""
    sides = [(_money(payment), -amount), (counterpart(payment), amount - missing)]
    _post(payment, step, [*sides, (LedgerAccount.RECEIVABLE, missing)])


def lost(payment: Payment) -> Decimal:
    """What disputes took of the money at the provider, by the books: negative, or nothing."""
    steps = Q(journal__payment_posting__step="returned") | Q(
        journal__payment_posting__step__startswith="dispute:"
    )
    taken = LedgerEntry.objects.filter(
        steps, journal__payment_posting__payment=payment, account=LedgerAccount.CASH
    )
    total: Decimal = taken.aggregate(total=Sum("amount", default=Decimal(0)))["total"]
    return total


def charge_fee(payment: Payment, amount: Decimal) -> None:
    """What the bank wants for a return is an expense."""
    _post(payment, "fee", [(LedgerAccount.FEES, amount), (LedgerAccount.BANK, -amount)])


def move(row: ProviderMovement) -> Journal | None:
    """The provider's fee is an expense; what it paid out is in the bank. Within the transaction that takes it in."""
    fee = row.fee - (row.amount if row.kind == Movement.FEE else 0)
    paid_out = -row.amount if row.kind == Movement.PAYOUT else Decimal(0)
    sides = [
        (LedgerAccount.FEES, fee),
        (LedgerAccount.BANK, paid_out),
        (LedgerAccount.CASH, -fee - paid_out),
    ]
    real = [(account, amount) for account, amount in sides if amount]
    return _journal(row.organization_id, row.currency, real, None) if real else None


def counterpart(payment: Payment) -> LedgerAccount:
    """What stands against the money."""
    if payment.account_id is None:
        return LedgerAccount.UNASSIGNED
    return LedgerAccount.WALLET if payment.purpose == Purpose.TOP_UP else LedgerAccount.RECEIVABLE


def _money(payment: Payment) -> LedgerAccount:
    if payment.method == Method.WALLET:
        return LedgerAccount.WALLET
    return LedgerAccount.CASH if payment.method == Method.CARD else LedgerAccount.BANK


def _post(payment: Payment, step: str, sides: Sequence[Side]) -> None:
    """Safe to run again; the caller holds the payment's lock."""
    real = [(account, amount) for account, amount in sides if amount]
    if not real or PaymentPosting.objects.filter(payment=payment, step=step).exists():
        return
    journal = _journal(payment.organization_id, payment.currency, real, payment.account_id)
    PaymentPosting.objects.create(payment=payment, step=step, journal=journal)


def _journal(organization_id: UUID, currency: str, sides: Sequence[Side], payer_id: UUID | None) -> Journal:
    journal = Journal.objects.create(
        organization_id=organization_id, currency=currency, posted_at=clock.now()
    )
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            journal=journal,
            account=account,
            payer_id=payer_id if account in _OF_PAYER else None,
            amount=amount,
        )
        for account, amount in sides
    )
    return journal
