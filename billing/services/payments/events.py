"""What a provider tells us: checked, kept once, answered, and looked at later (billing B-41)."""

import logging
from collections.abc import Mapping
from datetime import timedelta

from django.db.models import Q

from billing.models import Payment, ProviderEvent, ProviderKind
from billing.providers.base import ProviderRefused, ProviderUnclear
from billing.services.payments import following, provider_settings
from core import clock
from core.errors import Conflict
from core.models import Organization

logger = logging.getLogger(__name__)

AT_ONCE = 200
LEASE = timedelta(seconds=180)
BACK_OFF_S = (5, 30, 120, 600, 1800, 3600)


def receive(organization: Organization, body: bytes, headers: Mapping[str, str]) -> bool:
    """Keep an event; ``False`` where it is known. Raises ``WrongSignature``, :class:`Conflict` without a provider."""
    told = provider_settings.of(organization.pk).parse_webhook(body, headers)
    _row, created = ProviderEvent.objects.get_or_create(
        organization=organization, provider=ProviderKind.STRIPE.value, event_id=told.id,
        defaults={"type": told.type, "object_id": told.object_id},
    )  # fmt: skip
    return created


def run() -> int:
    """Look at what was told, in any order; how many events there were."""
    waiting = ProviderEvent.objects.filter(processed_at=None, next_try_at__lte=clock.now())
    keys = list(waiting.order_by("id").values_list("pk", flat=True)[:AT_ONCE])
    for key in keys:
        _process(key)
    return len(keys)


def _process(key: int) -> None:
    """Read the present state of what it is about. Repeats and latecomers find nothing to do."""
    row = _claim(key)
    if row is None:
        return
    try:
        _look(row)
    except (ProviderUnclear, ProviderRefused, Conflict) as error:
        _later(row)
        logger.info("payments.event_later", extra={"event": row.event_id, "why": str(error)})
    except Exception:  # whatever one of them has, the others go on
        _later(row)
        logger.exception("payments.event_failed", extra={"event": row.event_id})
    else:
        row.processed_at = clock.now()
        row.save(update_fields=["processed_at"])


def _claim(key: int) -> ProviderEvent | None:
    """For one worker for a while; for any other when that is over."""
    now = clock.now()
    due = ProviderEvent.objects.filter(pk=key, processed_at=None, next_try_at__lte=now)
    if not due.update(next_try_at=now + LEASE):
        return None
    return ProviderEvent.objects.get(pk=key)


def _look(row: ProviderEvent) -> None:
    payment = _payment_of(row)
    if payment is None:
        return
    following.read(payment)
    if row.type.startswith("charge.dispute."):
        following.read_disputes(payment)
    elif row.type.startswith(("refund.", "charge.refund")):
        following.read_refunds(payment)


def _later(row: ProviderEvent) -> None:
    wait = BACK_OFF_S[min(row.tries, len(BACK_OFF_S) - 1)]
    row.tries, row.next_try_at = row.tries + 1, clock.now() + timedelta(seconds=wait)
    row.save(update_fields=["tries", "next_try_at"])


def _payment_of(row: ProviderEvent) -> Payment | None:
    if not row.object_id:
        return None
    named = Payment.objects.filter(organization_id=row.organization_id, provider=row.provider)
    # One that the provider's page began is known by its page first; the page's own event or the sweeper reads it.
    return named.filter(Q(provider_reference=row.object_id) | Q(checkout=row.object_id)).first()
