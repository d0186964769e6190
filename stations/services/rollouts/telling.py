"""What a rollout tells the outside: counts, the outbox, pages that look again."""

from typing import Any
from uuid import UUID

from django.db.models import Count

from core.services import outbox
from stations import live
from stations.domain.rollouts import Progress
from stations.models import FirmwareRollout, RolloutStation


def counts(rollout: FirmwareRollout) -> dict[str, int]:
    """How many stations stand where, every word named."""
    found = RolloutStation.objects.filter(rollout=rollout).values_list("status").annotate(n=Count("id"))
    return {**{word.value: 0 for word in Progress}, **dict(found.order_by())}


def changed(rollout: FirmwareRollout, *, finished: bool = False) -> None:
    """Inside the transaction of the change: an event, and pages look again after the commit."""
    kind = "rollout.finished" if finished else "rollout.progressed"
    site = _only_site(rollout)
    outbox.record(
        kind,
        organization_id=rollout.organization_id,
        object_id=rollout.pk,
        data=_told(rollout),
        limit_id=site,
    )
    live.announce_on_commit("rollout", rollout.organization_id, rollout.pk, site_id=site)


def _told(rollout: FirmwareRollout) -> dict[str, Any]:
    return {
        "id": str(rollout.pk),
        "name": rollout.name,
        "image": str(rollout.image_id),
        "status": rollout.status,
        "paused_by": rollout.paused_by or None,
        "detail": rollout.detail,
        "counts": counts(rollout),
    }


def _only_site(rollout: FirmwareRollout) -> UUID | None:
    return rollout.limits[0] if len(rollout.limits) == 1 else None
