"""Our payments beside the provider's account, every day; what differs waits for a person (billing B-42).

A booking is taken in once, by the provider's name of it. Its fee, and what was paid out to the bank, are posted then:
so the ledger's cash at the provider is what the provider has.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Max
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
from billing.services.payments import books, provider_settings
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid

logger = logging.getLogger(__name__)

FIRST_LOOK = timedelta(days=7)
OVERLAP = timedelta(days=2)
"""Bookings are read again for so long: they appear late, but keep their date."""
SETTLES_WITHIN = timedelta(days=2)
LOOKED_BACK = timedelta(days=35)


def run() -> int:
    """Compare every organization that takes cards; how many new differences there are, each of which is told."""
    found = 0
    for settings in ProviderSettings.objects.select_related("organization").order_by("pk"):
        try:
            found += compare(settings)
        except (ProviderRefused, ProviderUnclear, Conflict) as error:
            logger.warning(
                "payments.not_compared", extra={"organization": str(settings.pk), "why": str(error)}
            )
        except Exception:  # whatever one of them has, the others are compared
            logger.exception("payments.not_compared", extra={"organization": str(settings.pk)})
    return found


def compare(settings: ProviderSettings) -> int:
    """Take in what the provider booked since the last time, and look for what is on one side only."""
    now = clock.now()
    rows = ProviderMovement.objects.filter(organization=settings.pk, provider=settings.kind)
    before = set(rows.open().values_list("pk", flat=True))
    for remote in provider_settings.of(settings.pk).movements(_since(settings, now), now):
        _take_in(settings, remote)
    for row in rows.open().filter(at__gt=now - LOOKED_BACK):
        _look_again(row)
    _find_missing(settings, now)
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


def _since(settings: ProviderSettings, now: datetime) -> datetime:
    seen = ProviderMovement.objects.filter(organization=settings.pk, provider=settings.kind)
    last: datetime | None = seen.exclude(difference=Difference.MISSING).aggregate(last=Max("at"))["last"]
    return (last or now - FIRST_LOOK + OVERLAP) - OVERLAP


@atomic
def _take_in(settings: ProviderSettings, remote: RemoteMovement) -> None:
    row, created = ProviderMovement.objects.get_or_create(
        organization=settings.organization, provider=settings.kind, reference=remote.reference[:100],
        defaults={
            "kind": remote.kind.value, "amount": remote.amount.amount, "fee": remote.fee.amount,
            "currency": remote.amount.currency, "at": remote.at, "about": remote.about[:100],
            "text": remote.text[:200],
        },
    )  # fmt: skip
    if created:
        row.journal = books.move(row)
        _judge(row)


@atomic
def _look_again(row: ProviderMovement) -> None:
    """What was read before our side had it, or is there by now, differs no more."""
    if row.difference != Difference.MISSING:
        _judge(row)
    elif _booked(row.payment, row.refund):
        row.difference = ""
        row.save(update_fields=["difference"])


def _judge(row: ProviderMovement) -> None:
    known = Payment.objects.filter(organization=row.organization_id, provider_reference=row.about)
    if row.kind in (Movement.PAYMENT, Movement.DISPUTE):
        row.payment = known.first() if row.about else None
    elif row.kind == Movement.REFUND and row.about:
        refunds = Refund.objects.filter(payment__organization=row.organization_id)
        row.refund = refunds.filter(provider_reference=row.about).select_related("payment").first()
        row.payment = row.refund.payment if row.refund else None
    row.difference = _difference(row)
    row.save()


def _difference(row: ProviderMovement) -> str:
    ours: tuple[Decimal, str] | None = None
    if row.kind in (Movement.PAYOUT, Movement.FEE):
        return ""
    if row.kind == Movement.DISPUTE:
        return "" if row.payment else Difference.UNKNOWN
    if row.kind == Movement.PAYMENT and row.payment:
        ours = row.payment.captured, row.payment.currency
    elif row.kind == Movement.REFUND and row.refund and row.payment:
        ours = -row.refund.amount, row.payment.currency
    if ours is None:
        return Difference.UNKNOWN
    return "" if ours == (row.amount, row.currency) else Difference.AMOUNT


def _find_missing(settings: ProviderSettings, now: datetime) -> None:
    """Money that came or went by our books, and by now should stand in the provider's."""
    for reference, at, amount, payment, refund in _expected(settings, now):
        if not _booked(payment, refund):
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
    """What was done after the first look and is older than the provider's delay."""
    begin = max(now - LOOKED_BACK, settings.changed_at)
    came = Payment.objects.filter(
        organization=settings.pk, provider=settings.kind, method=Method.CARD, created_at__gt=begin,
        received_on__lt=(now - SETTLES_WITHIN).date(),
    )  # fmt: skip
    for payment in came.filter(state__in=[PaymentState.RECEIVED, PaymentState.RETURNED]).order_by("pk"):
        yield f"ours:{payment.pk}", payment.created_at, payment.captured, payment, None
    went = Refund.objects.filter(
        payment__organization=settings.pk, payment__provider=settings.kind, state=RefundState.DONE,
        made_at__gt=begin, made_at__lt=now - SETTLES_WITHIN,
    )  # fmt: skip
    for refund in went.select_related("payment").order_by("pk"):
        yield f"ours:{refund.pk}", refund.made_at, -refund.amount, refund.payment, refund


def _booked(payment: Payment | None, refund: Refund | None) -> bool:
    kind = Movement.REFUND if refund else Movement.PAYMENT
    rows = ProviderMovement.objects.filter(payment=payment, refund=refund, kind=kind)
    return rows.exclude(difference=Difference.MISSING).exists()
