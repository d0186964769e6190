"""Our payments beside the provider's account, every day; what differs waits for a person (billing B-42).

A booking is taken in once, by the provider's name of it. Its fee, and what was paid out to the bank, are posted then:
so the ledger's cash at the provider is what the provider has.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.transaction import atomic

from billing.models import (
    Difference,
    Method,
    Movement,
    Payment,
    PaymentState,
    ProviderMovement,
    ProviderSettings,
    Refund,
    RefundState,
)
from billing.providers.base import ProviderRefused, ProviderUnclear, RemoteMovement
from billing.services import alarms
from billing.services.payments import books, following, provider_settings
from core import audit, clock, turns
from core.access import Actor, Permission
from core.errors import Conflict, Invalid

logger = logging.getLogger(__name__)

EVERY = timedelta(hours=20)
FIRST_LOOK = timedelta(days=7)
OVERLAP = timedelta(days=2)
"""Bookings are read again for so long: they appear late, but keep their date."""
SETTLED_FOR = timedelta(hours=1)
"""So old a booking is before it is read: by then our side knows what it is of."""
SETTLES_WITHIN = timedelta(days=2)
LOOKED_BACK = timedelta(days=35)
DISPUTED_FOR = timedelta(days=180)


def run() -> int:
    """Compare organizations that take cards, each once a day; how many new differences there are."""
    return turns.through(_due, lambda rows: sum(_compared(one) for one in rows))


def _due(done: set[Any]) -> Sequence[ProviderSettings]:
    never, old = Q(compared_until=None), Q(compared_until__lt=clock.now() - EVERY - SETTLED_FOR)
    rows = ProviderSettings.objects.filter(never | old).exclude(pk__in=done)
    return list(rows.select_related("organization").order_by(F("compared_until").asc(nulls_first=True))[:1])


def _compared(settings: ProviderSettings) -> int:
    try:
        return compare(settings)
    except (ProviderRefused, ProviderUnclear, Conflict) as error:
        logger.warning("payments.not_compared", extra={"organization": str(settings.pk), "why": str(error)})
    except Exception:  # whatever one of them has, the others are compared
        logger.exception("payments.not_compared", extra={"organization": str(settings.pk)})
    return 0


def compare(settings: ProviderSettings) -> int:
    """Take in what the provider booked since the last time, and look for what is on one side only.

    How far it is known is written down at the end: bookings come newest first, and a run may be cut short.
    """
    now = clock.now()
    until = now - SETTLED_FOR
    rows = ProviderMovement.objects.filter(organization=settings.pk, provider=settings.kind)
    before = set(rows.open().values_list("pk", flat=True))
    begin = (settings.compared_until or now - FIRST_LOOK + OVERLAP) - OVERLAP
    for remote in provider_settings.of(settings.pk).movements(begin, until):
        _take_in(settings, remote)
    _read_what_no_event_told(rows, begin)
    disputed = rows.filter(kind=Movement.DISPUTE, at__gt=now - DISPUTED_FOR, decided_at=None)
    for key in (rows.open().filter(at__gt=now - LOOKED_BACK) | disputed).values_list("pk", flat=True):
        _look_again(key)
    _find_missing(settings, now)
    ProviderSettings.objects.filter(pk=settings.pk).update(compared_until=until)
    new = list(rows.open().exclude(pk__in=before)[:6])
    if new:
        alarms.tell(
            "provider_account", f"The provider's account differs: {', '.join(map(str, new[:5]))}",
            organization_id=settings.pk, object_id=settings.pk,
        )  # fmt: skip
    return len(new)


@atomic
def explain(movement: ProviderMovement, note: str, *, by: Actor) -> ProviderMovement:
    """Say what a difference is; it is asked for no more. Raises :class:`Invalid` without a word, :class:`Conflict`
    where there is no difference."""
    by.require(Permission.INVOICES_MANAGE, movement)
    row = ProviderMovement.objects.select_for_update().get(pk=movement.pk)
    if not row.difference or row.decided_at:
        raise Conflict("There is nothing to explain.")
    if not note.strip():
        raise Invalid("Say what it is.", field="note")
    row.note, row.decided_by, row.decided_at = note.strip()[:300], by.label[:200], clock.now()
    row.save(update_fields=["note", "decided_by", "decided_at"])
    audit.record("provider_movement.explained", row, by=by, reason=note)
    return row


def _read_what_no_event_told(rows: QuerySet[ProviderMovement], begin: datetime) -> None:
    """Disputes, and refunds that somebody made at the provider."""
    payments = Payment.objects.order_by("pk")
    disputes = rows.filter(kind=Movement.DISPUTE, at__gte=begin)
    for payment in payments.filter(pk__in=disputes.values("payment")):
        following.read_disputes(payment)
    refunds = rows.filter(kind=Movement.REFUND, at__gte=begin, difference=Difference.UNKNOWN)
    for payment in payments.filter(pk__in=refunds.values("payment")):
        following.read_refunds(payment)


@atomic
def _take_in(settings: ProviderSettings, remote: RemoteMovement) -> None:
    row, created = ProviderMovement.objects.get_or_create(
        organization=settings.organization, provider=settings.kind, reference=remote.reference[:100],
        defaults={
            "kind": remote.kind.value, "amount": remote.amount.amount, "fee": remote.fee.amount,
            "currency": remote.amount.currency, "at": remote.at, "about": remote.about[:100],
            "refund_reference": remote.refund[:100],
            "text": remote.text[:200],
        },
    )  # fmt: skip
    if created:
        row.journal = books.move(row)
        _judge(row)


@atomic
def _look_again(key: UUID) -> None:
    """What was read before our side had it, or is there by now, differs no more; a dispute may have ended."""
    row = ProviderMovement.objects.select_for_update().get(pk=key)
    if row.decided_at is not None:
        return
    if row.difference != Difference.MISSING:
        _judge(row)
    elif _bookings(row).exclude(difference=Difference.MISSING).exists():
        row.difference = ""
        row.save(update_fields=["difference"])


def _bookings(row: ProviderMovement) -> QuerySet[ProviderMovement]:
    return ProviderMovement.objects.filter(payment=row.payment_id, refund=row.refund_id, kind=row.kind)


def _judge(row: ProviderMovement) -> None:
    """The caller made the row, or holds its lock."""
    known = Payment.objects.filter(organization=row.organization_id, provider_reference=row.about)
    row.payment = known.first() if row.about else None
    if row.refund_reference and row.payment:
        row.refund = row.payment.refunds.filter(provider_reference=row.refund_reference).first()
    row.difference = _difference(row)
    row.save()


def _difference(row: ProviderMovement) -> str:
    ours: tuple[Decimal, str] | None = None
    if row.kind in (Movement.PAYOUT, Movement.FEE):
        return ""
    if row.kind == Movement.DISPUTE and row.payment:
        return _difference_of_dispute(row.payment)
    if row.kind == Movement.PAYMENT and row.payment:
        ours = row.payment.captured, row.payment.currency
    elif row.kind == Movement.REFUND and row.refund and row.payment:
        ours = -row.refund.amount, row.payment.currency
    if ours is None:
        return Difference.UNKNOWN
    return "" if ours == (row.amount, row.currency) else Difference.AMOUNT


def _difference_of_dispute(payment: Payment) -> str:
    """While it is open the provider keeps the money; then our books say what it kept for good."""
    if payment.disputed_at is not None:
        return ""
    moved = ProviderMovement.objects.filter(payment=payment, kind=Movement.DISPUTE)
    kept = moved.aggregate(total=Sum("amount", default=Decimal(0)))["total"]
    return "" if kept == books.lost(payment) else Difference.AMOUNT


def _find_missing(settings: ProviderSettings, now: datetime) -> None:
    """Money that came or went by our books, and by now should stand in the provider's."""
    for reference, at, amount, payment, refund in _expected(settings, now):
        ProviderMovement.objects.get_or_create(
            organization=settings.organization, provider=settings.kind, reference=reference,
            defaults={
                "kind": Movement.REFUND if refund else Movement.PAYMENT, "amount": amount, "at": at,
                "currency": payment.currency, "payment": payment, "refund": refund,
                "difference": Difference.MISSING,
            },
        )  # fmt: skip


def _expected(
    settings: ProviderSettings, now: datetime
) -> Iterator[tuple[str, datetime, Decimal, Payment, Refund | None]]:
    """What was done since the keys were entered, is older than the provider's delay and stands in no booking."""
    begin = max(now - LOOKED_BACK, settings.set_up_at)
    booked = ProviderMovement.objects.filter(organization=settings.pk)
    of_payment = booked.filter(payment=OuterRef("pk"), kind=Movement.PAYMENT)
    of_refund = booked.filter(refund=OuterRef("pk"), kind=Movement.REFUND)
    came = Payment.objects.filter(
        organization=settings.pk, provider=settings.kind, method=Method.CARD, created_at__gt=begin,
        received_on__lt=(now - SETTLES_WITHIN).date(),
    )  # fmt: skip
    here = came.filter(~Exists(of_payment), state__in=[PaymentState.RECEIVED, PaymentState.RETURNED])
    for payment in here.order_by("pk"):
        yield f"ours:{payment.pk}", payment.created_at, payment.captured, payment, None
    went = Refund.objects.filter(
        payment__organization=settings.pk, payment__provider=settings.kind, state=RefundState.DONE,
        made_at__gt=begin, made_at__lt=now - SETTLES_WITHIN,
    )  # fmt: skip
    for refund in went.filter(~Exists(of_refund)).select_related("payment").order_by("pk"):
        yield f"ours:{refund.pk}", refund.made_at, -refund.amount, refund.payment, refund
