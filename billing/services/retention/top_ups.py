"""What filled wallets goes after its term, once it is spent or was given back (billing B-65)."""

from datetime import date
from uuid import UUID

from django.db.models import QuerySet
from django.db.transaction import atomic

from billing.models import Payment, PaymentState, Purpose, RetentionKind
from billing.services.retention import documents, holds, reports
from billing.services.retention.documents import Family
from core.models import Organization

AT_ONCE = 50
FIRST = UUID(int=0)


def delete_some(organization: Organization, before: date, looked: UUID = FIRST) -> UUID | None:
    """Look at some top-ups older than that day after the one that was looked at last; the last of them, ``None`` at
    the end and where a hold keeps all."""
    old = _old(organization, before).filter(pk__gt=looked)
    keys = list(old.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    if any(not _look(organization, key, before) for key in keys):
        return None
    return keys[-1] if keys else None


def _old(organization: Organization, before: date) -> QuerySet[Payment]:
    rows = Payment.objects.filter(
        organization=organization, purpose=Purpose.TOP_UP, created_at__date__lt=before
    )
    return rows.exclude(state__in=[PaymentState.PENDING, PaymentState.HELD])


@atomic
def _look(organization: Organization, key: UUID, before: date) -> bool:
    """Whether deleting may go on: not once everything is held."""
    holds.lock(organization)
    if holds.stops_all(organization):
        return False
    there = Payment.objects.filter(pk=key).exists()
    counted = documents.delete(organization, documents.grown(Family(payments={key})), before) if there else {}
    if counted:
        reports.add(organization, RetentionKind.DOCUMENTS, before, counted)
    return True
