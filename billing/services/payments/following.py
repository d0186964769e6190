"""How payments, refunds and disputes go on at the provider: read there, and ours moved forward to it (B-38 to B-42).

Nothing is taken from what an event says; it only tells when to look.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db.models import QuerySet
from django.db.transaction import atomic

from billing.models import Invoice, Payment, PaymentState, Purpose, Refund, RefundState, SavedMethod
from billing.providers.base import (
    DisputeState,
    ProviderRefused,
    ProviderUnclear,
    RemoteCard,
    RemotePayment,
    RemoteState,
)
from billing.services import alarms
from billing.services.payments import allocating, provider_settings, receiving, refunding, stopping
from core import audit, clock
from core.errors import Conflict

logger = logging.getLogger(__name__)

AT_ONCE = 200
QUIET = timedelta(minutes=2)
FORGOTTEN = timedelta(days=30)


def read(payment: Payment) -> None:
    """Read how a payment stands at the provider, and move ours forward to that."""
    name = name_of(payment)
    if not name or not payment.provider:
        return
    remote = provider_settings.of(payment.organization_id).read(name)
    with atomic():
        apply(Payment.objects.select_for_update().get(pk=payment.pk), remote)


def sweep() -> int:
    """Read payments of which nothing was heard for a while: the person left, or an event was lost."""
    now = clock.now()
    open_ = Payment.objects.filter(
        state__in=[PaymentState.PENDING, PaymentState.HELD], created_at__lt=now - QUIET
    )
    known = open_.exclude(provider="").exclude(provider_reference="", checkout="")
    return _each(known.filter(created_at__gt=now - FORGOTTEN), read)


def sweep_refunds() -> int:
    """Read refunds that are on their way; how many payments were looked at."""
    waiting = Refund.objects.filter(state=RefundState.PENDING).exclude(provider_reference="")
    old = waiting.filter(made_at__lt=clock.now() - QUIET).values("payment")
    return _each(Payment.objects.filter(pk__in=old), read_refunds)


def sweep_disputes() -> int:
    """Read disputes that are open, in case their end was not told; how many payments were looked at."""
    return _each(Payment.objects.exclude(disputed_at=None).exclude(provider=""), read_disputes)


def read_refunds(payment: Payment) -> None:
    """Move its refunds forward: one that was on its way arrived, or came back, also days after it was sent.

    One that somebody made at the provider is taken over.
    """
    found = provider_settings.of(payment.organization_id).refunds(payment.provider_reference)
    with atomic():
        held = Payment.objects.select_for_update().get(pk=payment.pk)
        ours = {row.provider_reference: row for row in held.refunds.exclude(provider_reference="")}
        for remote in found:
            if remote.reference in ours:
                refunding.follow(ours[remote.reference], remote)
            elif remote.done and not remote.key and remote.amount.currency == held.currency:
                refunding.take_over(held, remote)


def read_disputes(payment: Payment) -> None:
    """Stop what would collect or send this money again while its payer disputes it; what is lost goes back (B-42)."""
    found = provider_settings.of(payment.organization_id).disputes(payment.provider_reference)
    with atomic():
        held = Payment.objects.select_for_update().get(pk=payment.pk)
        _dispute(held, any(one.state == DisputeState.OPEN for one in found))
        for one in found:
            if one.state == DisputeState.LOST and one.amount.currency == held.currency:
                receiving.lose(held, one.reference, one.amount.amount, by=stopping.SYSTEM)


def apply(held: Payment, remote: RemotePayment) -> None:
    """Move forward to what the provider says; what is behind us is left. The caller holds the payment's lock."""
    held.provider_reference = remote.reference or held.provider_reference
    held.checkout = remote.checkout or held.checkout
    held.checkout_url = remote.url or held.checkout_url
    before = held.state
    if remote.state == RemoteState.HELD and before in (PaymentState.PENDING, PaymentState.FAILED):
        held.state, held.authorized = PaymentState.HELD, remote.amount.amount
    elif remote.state == RemoteState.RECEIVED and before in (
        PaymentState.PENDING, PaymentState.HELD, PaymentState.FAILED,
    ):  # fmt: skip
        held.authorized = max(held.authorized, remote.amount.amount)
        held.state, held.captured = PaymentState.RECEIVED, remote.received.amount
        held.received_on = clock.now().date()
    elif remote.state == RemoteState.RELEASED and before in (PaymentState.PENDING, PaymentState.HELD):
        held.state = PaymentState.RELEASED
    elif remote.state == RemoteState.FAILED and before == PaymentState.PENDING:
        held.state, held.failure = PaymentState.FAILED, remote.failure
    held.save()
    if held.state == PaymentState.RECEIVED and before != PaymentState.RECEIVED:
        receiving.arrived(held, by=stopping.SYSTEM)
        _settle_what_it_was_for(held)
    if remote.card is not None and held.account_id is not None and held.purpose != Purpose.AD_HOC:
        _keep_card(held, remote.card)


def name_of(payment: Payment) -> str:
    """By the page as long as the person may go on there, for a declined card ends nothing."""
    if payment.state in (PaymentState.PENDING, PaymentState.FAILED):
        return payment.checkout or payment.provider_reference
    return payment.provider_reference or payment.checkout


def _each(payments: QuerySet[Payment], look: Callable[[Payment], None]) -> int:
    """Some of them, in no order, so that none is left for ever; what one of them has stops no other."""
    rows = list(payments.order_by("?")[:AT_ONCE])
    for payment in rows:
        try:
            look(payment)
        except (ProviderRefused, ProviderUnclear, Conflict) as error:
            logger.info("payments.unread", extra={"payment": str(payment.pk), "why": str(error)})
        except Exception:  # whatever one of them has, the others go on
            logger.exception("payments.unread", extra={"payment": str(payment.pk)})
    return len(rows)


def _dispute(held: Payment, is_open: bool) -> None:
    if is_open == (held.disputed_at is not None):
        return
    held.disputed_at = clock.now() if is_open else None
    held.save(update_fields=["disputed_at"])
    audit.record("payment.disputed" if is_open else "payment.dispute_closed", held, by=stopping.SYSTEM)
    if is_open:
        alarms.tell(
            "dispute", f"The payer of {held} disputes it. Answer at the provider, which has a deadline.",
            organization_id=held.organization_id, object_id=held.pk,
        )  # fmt: skip


def _settle_what_it_was_for(held: Payment) -> None:
    """The invoice that a person paid on the page, or that a saved card was charged for."""
    for call in held.calls.filter(details__has_key="invoice"):
        invoice = Invoice.objects.filter(pk=call.details["invoice"]).first()
        if invoice is not None and invoice.state in allocating.OWED:
            allocating.allocate(held, invoice, by=stopping.SYSTEM)


def _keep_card(held: Payment, card: RemoteCard) -> None:
    SavedMethod.objects.get_or_create(
        account_id=held.account_id, provider=held.provider, reference=card.reference,
        defaults={"customer": card.customer, "label": card.label},
    )  # fmt: skip
