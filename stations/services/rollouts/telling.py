"""What a rollout tells the outside: counts, the outbox, pages that look again."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Count

from core.services import outbox
from stations import live
from stations.domain.rollouts import Progress
from stations.models import FirmwareRollout, RolloutStation, RolloutWave


def counts(rollout: FirmwareRollout) -> dict[str, int]:
    """How many stations stand where, every word named."""
    found = RolloutStation.objects.filter(rollout=rollout).values_list("status").annotate(n=Count("id"))
    return {**{word.value: 0 for word in Progress}, **dict(found.order_by())}


def counts_of(rollouts: Iterable[FirmwareRollout]) -> dict[UUID, dict[str, int]]:
    """:func:`counts` of several rollouts in one query."""
    found = {rollout.pk: {word.value: 0 for word in Progress} for rollout in rollouts}
    rows = RolloutStation.objects.filter(rollout__in=found).values_list("rollout", "status")
    for pk, status, count in rows.annotate(n=Count("id")).order_by():
        found[pk][status] = count
    return found


def wave_counts(rollout: FirmwareRollout) -> list[tuple[RolloutWave, dict[str, int]]]:
    """The waves in order, each with how many of its stations stand where."""
    waves = {wave.pk: (wave, {word.value: 0 for word in Progress}) for wave in rollout.waves.all()}
    rows = RolloutStation.objects.filter(rollout=rollout, wave__isnull=False).values_list("wave", "status")
    for pk, status, count in rows.annotate(n=Count("id")).order_by():
        waves[pk][1][status] = count
    return list(waves.values())


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
