"""Money that came in, and money that the bank took back (billing B-45, B-46)."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.db.transaction import atomic

from billing.models import (
    BillingAccount,
    DocumentType,
    Invoice,
    Method,
    Payment,
    PaymentState,
    Purpose,
)
from billing.services.payments import allocating, books, wallets
from core import audit
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.services import outbox


@atomic
def record(
    invoice: Invoice, amount: Decimal, *, received_on: date, method: Method = Method.MANUAL, note: str = "",
    by: Actor,
) -> Payment:  # fmt: skip
    """Write down money that came in for an invoice; what is above the rest stays as the payer's credit.

    Raises :class:`Invalid` for an amount that is none, :class:`Conflict` where nothing is owed.
    """
    by.require(Permission.INVOICES_MANAGE, invoice)
    allocating.require_amount(amount, invoice.currency)
    if invoice.document_type != DocumentType.INVOICE or invoice.state not in allocating.OWED:
        raise Conflict("Nothing is owed on this invoice.")
    payment = book(
        organization_id=invoice.organization_id, account=invoice.account, amount=amount,
        currency=invoice.currency, method=method, received_on=received_on, note=note, by=by,
    )  # fmt: skip
    allocating.allocate(payment, invoice, by=by)
    return payment


@atomic
def book(  # noqa: PLR0913  what a payment is
    *, organization_id: Any, account: BillingAccount | None, amount: Decimal, currency: str, method: Method,
    received_on: date, by: Actor, purpose: Purpose = Purpose.INVOICE, **details: Any,
) -> Payment:  # fmt: skip
    """A payment that is ours already, with its posting."""
    payment = Payment.objects.create(
        organization_id=organization_id, account=account, method=method, purpose=purpose, currency=currency,
        state=PaymentState.RECEIVED, amount=amount, authorized=amount, captured=amount,
        received_on=received_on, created_by=by.label[:200], **details,
    )  # fmt: skip
    arrived(payment, by=by)
    return payment


def arrived(payment: Payment, *, by: Actor) -> None:
    """The money is ours: post it, fill the wallet, tell. The caller holds the payment's lock."""
    books.receive(payment)
    if payment.purpose == Purpose.TOP_UP:
        wallets.move(payment, payment.captured)
    audit.record("payment.received", payment, by=by)
    _tell("payment.received", payment)


@atomic
def assign(payment: Payment, account: BillingAccount, *, by: Actor) -> Payment:
    """Say who paid. Raises :class:`Conflict` where that is known already."""
    by.require(Permission.INVOICES_MANAGE, payment)
    by.require(Permission.INVOICES_MANAGE, account)
    held = Payment.objects.select_for_update().get(pk=payment.pk)
    if held.account_id is not None or held.state != PaymentState.RECEIVED:
        raise Conflict("It is known already who paid this.")
    if held.purpose == Purpose.AD_HOC:
        raise Conflict(
            "This is for the receipt of its session, which is issued when the session has its record."
        )
    held.account = account
    held.purpose = Purpose.INVOICE
    held.save(update_fields=["account", "purpose"])
    books.assign(held)
    audit.record("payment.assigned", held, by=by, changes={"account": [None, str(account.pk)]})
    return held


@atomic
def take_back(payment: Payment, *, reason: str, fee: Decimal = Decimal(0), by: Actor) -> Payment:
    """The bank or the provider took the money back: its invoices are owed again.

    Safe to run again. Raises :class:`Conflict` for a payment that never was ours, :class:`Invalid` without a reason.
    """
    by.require(Permission.INVOICES_MANAGE, payment)
    if not reason.strip():
        raise Invalid("Say why the payment went back.", field="reason")
    held = Payment.objects.select_for_update().get(pk=payment.pk)
    if held.state == PaymentState.RETURNED:
        return held
    if held.state != PaymentState.RECEIVED:
        raise Conflict("Only a payment that was received can be returned.")
    if held.method == Method.CREDIT_NOTE:
        raise Conflict("This is what a credit note gives. No bank can take it back.")
    held.state, held.failure = PaymentState.RETURNED, reason[:200]
    held.save(update_fields=["state", "failure"])
    missing = wallets.give_back(held) if held.purpose == Purpose.TOP_UP else Decimal(0)
    books.take_back(held, missing)
    if fee:
        books.charge_fee(held, fee)
    allocating.undo(held.allocations.filter(undone_at=None))
    audit.record("payment.returned", held, by=by, reason=reason)
    _tell("payment.returned", held)
    return held


def lose(held: Payment, dispute: str, amount: Decimal, *, by: Actor) -> None:
    """A dispute was lost: so much went back to the payer, and what it settled is owed again (B-42).

    Once for each dispute, by the provider's name of it; the caller holds the payment's lock.
    """
    step, rest = f"dispute:{dispute}", held.captured - held.refunded
    if held.state != PaymentState.RECEIVED or held.postings.filter(step=step).exists():
        return
    if amount >= rest:
        take_back(held, reason=f"Dispute {dispute} was lost.", by=by)
        return
    missing = wallets.give_back(held, amount) if held.purpose == Purpose.TOP_UP else Decimal(0)
    books.lose(held, amount, missing, step)
    held.refunded += amount
    held.save(update_fields=["refunded"])
    allocating.reopen_beyond(held)
    audit.record(
        "payment.dispute_lost", held, by=by, reason=dispute, changes={"refunded": [None, f"{amount:.2f}"]}
    )


def _tell(kind: str, payment: Payment) -> None:
    outbox.record(
        kind, organization_id=payment.organization_id, object_id=payment.pk,
        data={"id": str(payment.pk), "amount": f"{payment.captured:.2f}", "currency": payment.currency,
              "method": payment.method},
    )  # fmt: skip
