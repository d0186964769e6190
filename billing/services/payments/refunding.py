"""Money that goes back to a payer: never more than came, and always for a reason (billing B-42, W-36)."""

from decimal import Decimal

from django.db.models import Sum
from django.db.transaction import atomic

from billing.models import (
    CallAction,
    DocumentType,
    Invoice,
    InvoiceState,
    Method,
    Payment,
    PaymentState,
    ProviderCall,
    Purpose,
    Refund,
    RefundState,
)
from billing.providers.base import RemoteRefund
from billing.services import alarms
from billing.services.payments import allocating, books, stopping, wallets
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid

_NOTHING = Decimal(0)


@atomic
def refund(
    payment: Payment, amount: Decimal, *, reason: str, credit_note: Invoice | None = None, by: Actor
) -> Refund:
    """Send money back: of a credit note of an invoice that it paid, else of what settles nothing, or of the wallet.

    A card's refund waits for the provider; money from a bank account is sent by the organization itself.
    Raises :class:`Invalid` for more than is left, :class:`Conflict` where nothing can go back.
    """
    by.require(Permission.SESSIONS_REFUND, payment)
    if not reason.strip():
        raise Invalid("Say why the money goes back.", field="reason")
    held = Payment.objects.select_for_update().get(pk=payment.pk)
    allocating.require_amount(amount, held.currency)
    if held.state != PaymentState.RECEIVED or held.method == Method.WALLET or held.disputed_at:
        raise Conflict("This payment cannot be refunded.")
    if amount > held.captured - held.refunded:
        raise Invalid(
            f"This is more than is left of the payment: {held.captured - held.refunded:.2f}.", field="amount"
        )
    if credit_note is not None:
        by.require(Permission.SESSIONS_REFUND, credit_note)
        _require_note(held, credit_note, amount)
    of_wallet = held.purpose == Purpose.TOP_UP and credit_note is None
    if not of_wallet and amount > allocating.unallocated(held):
        raise Conflict("What settles an invoice goes back by a credit note only.")
    return _send(held, amount, credit_note, reason, by)


def return_to_wallet(note: Invoice, *, by: Actor) -> None:
    """What the payer's wallet paid of what a credit note takes back is in the wallet again.

    The caller holds the payments' locks.
    """
    paid = Payment.objects.filter(allocations__invoice=note.credits, method=Method.WALLET).distinct()
    for held in paid.order_by("id"):
        if rest := allocating.unallocated(held):
            _send(held, rest, note, str(note), by)


def follow(row: Refund, remote: RemoteRefund) -> None:
    """Move a refund forward to how it stands at the provider. Safe to run again, inside a transaction."""
    if remote.failure:
        fail(row, remote.failure)
    elif remote.done:
        done(row, remote.reference)
    else:
        Refund.objects.filter(pk=row.pk, state=RefundState.PENDING).update(
            provider_reference=remote.reference
        )


def take_over(held: Payment, remote: RemoteRefund) -> None:
    """Money that somebody sent back at the provider: what it settled is owed again. The caller holds its lock."""
    amount = min(remote.amount.amount, held.captured - held.refunded)
    if held.state != PaymentState.RECEIVED or amount <= 0:
        return
    row = Refund.objects.create(
        payment=held, amount=amount, reason="Sent back at the provider.", made_by=stopping.SYSTEM.label,
        made_at=clock.now(), state=RefundState.DONE, provider_reference=remote.reference,
    )  # fmt: skip
    missing = wallets.give_back(held, amount) if held.purpose == Purpose.TOP_UP else _NOTHING
    books.lose(held, amount, missing, f"refund:{row.pk}")
    held.refunded += amount
    held.save(update_fields=["refunded"])
    allocating.reopen_beyond(held)
    audit.record(
        "payment.refunded", held, by=stopping.SYSTEM, reason=row.reason,
        changes={"refunded": [None, f"{amount:.2f}"]},
    )  # fmt: skip


def fail(row: Refund, why: str) -> None:
    """The provider cannot send it, or it came back days later: the money is ours again as a credit of the payer.

    Safe to run again.
    """
    held = Payment.objects.select_for_update().get(pk=row.payment_id)
    row.refresh_from_db()
    if row.state != RefundState.FAILED:
        row.state, row.failure = RefundState.FAILED, why[:200]
        row.save(update_fields=["state", "failure"])
        if held.state == PaymentState.RECEIVED:
            _take_again(held, row)
        audit.record("refund.failed", held, by=stopping.SYSTEM, reason=why)
        alarms.tell(
            "refund", f"{row.amount:.2f} {held.currency} did not reach the payer: {why}",
            organization_id=held.organization_id, object_id=held.pk,
        )  # fmt: skip


def _take_again(held: Payment, row: Refund) -> None:
    """Where all of the payment was taken back meanwhile, what could not be refunded went back by that."""
    held.refunded -= row.amount
    held.save(update_fields=["refunded"])
    if held.purpose == Purpose.TOP_UP:
        wallets.move(held, row.amount)
    books.refund(held, -row.amount, f"refund failed:{row.pk}")


def done(row: Refund, reference: str = "") -> None:
    """It was sent. Safe to run again."""
    Refund.objects.filter(pk=row.pk, state=RefundState.PENDING).update(
        state=RefundState.DONE, provider_reference=reference
    )


def _send(held: Payment, amount: Decimal, note: Invoice | None, reason: str, by: Actor) -> Refund:
    row = Refund.objects.create(
        payment=held, credit_note=note, amount=amount, reason=reason.strip()[:300], made_by=by.label,
        made_at=clock.now(),
    )  # fmt: skip
    if held.purpose == Purpose.TOP_UP:
        wallets.move(held, -amount)
    elif held.method == Method.WALLET:
        wallets.move(held, amount)
    held.refunded += amount
    held.save(update_fields=["refunded"])
    books.refund(held, amount, f"refund:{row.pk}")
    if held.provider:
        ProviderCall.objects.create(
            payment=held, refund=row, action=CallAction.REFUND, key=f"refund:{row.pk}", amount=amount
        )
    else:
        done(row)
    audit.record(
        "payment.refunded", held, by=by, reason=reason, changes={"refunded": [None, f"{amount:.2f}"]}
    )
    return row


def _require_note(held: Payment, note: Invoice, amount: Decimal) -> None:
    issued = note.document_type == DocumentType.CREDIT_NOTE and note.state not in (
        InvoiceState.DRAFT,
        InvoiceState.DISCARDED,
    )
    settled = held.allocations.filter(invoice=note.credits).exists()
    if not issued or not (settled or held.account_id == note.account_id):
        raise Conflict("The credit note is not of an invoice that this payment settled.")
    before = Refund.objects.filter(credit_note=note).exclude(state=RefundState.FAILED)
    if (before.aggregate(total=Sum("amount"))["total"] or _NOTHING) + amount > note.due:
        raise Invalid("This is more than the credit note gives back.", field="amount")
