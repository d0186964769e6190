"""Drafts of rollouts, and whom they would reach."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db.models import QuerySet
from django.db.transaction import atomic

from core import access, audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotFound
from stations.domain.rollouts import DAYS, RolloutStatus, sizes
from stations.domain.words import Capability
from stations.models import ChargingStation, FirmwareImage, FirmwareRollout, RolloutStation
from stations.services import bulk_commands, firmware_images

MOST_WAVES = 20
RULES = (
    "soak_seconds", "concurrency", "only_when_idle", "window_start", "window_end", "window_days", "failure_threshold",
    "failure_count", "retries", "retry_seconds", "silence_seconds", "catch_up_seconds",
)  # fmt: skip
MOST_STATIONS = 10_000


@dataclass(frozen=True, slots=True)
class Preview:
    """Whom the rollout would update, by wave, and whom not with the reason."""

    waves: list[list[ChargingStation]]
    left_out: list[tuple[ChargingStation, str]]

    @property
    def included(self) -> list[ChargingStation]:
        return [station for wave in self.waves for station in wave]


def require(rollout: FirmwareRollout, by: Actor) -> None:
    """Raise :class:`NotPermitted`, or :class:`NotFound` for who is limited to sites and did not make it for these."""
    by.require(Permission.FIRMWARE_MANAGE, rollout)
    if by.limited_to is not None and not (rollout.limits and set(rollout.limits) <= set(by.limited_to)):
        raise NotFound("There is no such object here.")


def draft(values: Mapping[str, Any], *, by: Actor) -> FirmwareRollout:
    """A rollout that does nothing yet. Raises :class:`NotPermitted`, :class:`NotFound` and :class:`Invalid`."""
    by.require(Permission.FIRMWARE_MANAGE, values["image"])
    rollout = FirmwareRollout(
        organization_id=by.home,
        limits=sorted(by.limited_to or ()),
        created_by=by.label[:200],
        created_at=clock.now(),
        **values,
    )
    _check(rollout, by)
    with atomic():
        rollout.save(force_insert=True)
        changes = {"image": [None, str(rollout.image)], "filter": [None, rollout.filter]}
        audit.record("rollout.drafted", rollout, by=by, changes=changes)
    return rollout


def change(rollout: FirmwareRollout, values: Mapping[str, Any], *, by: Actor) -> FirmwareRollout:
    """Change a draft. Raises :class:`Conflict` once it was started."""
    require(rollout, by)
    with atomic():
        row = FirmwareRollout.objects.select_for_update().get(pk=rollout.pk)
        if row.status != RolloutStatus.DRAFT:
            raise Conflict("Only a draft can be changed. Make a new rollout instead.")
        changes = audit.difference(row, values)
        for name, value in values.items():
            setattr(row, name, value)
        _check(row, by)
        row.save()
        audit.record("rollout.changed", row, by=by, changes=changes)
    return row


def retire(rollout: FirmwareRollout, *, by: Actor) -> None:
    """Take a draft, or one that has ended, out of the lists. Raises :class:`Conflict` while it runs."""
    require(rollout, by)
    ended = (RolloutStatus.DRAFT, RolloutStatus.DONE, RolloutStatus.ABORTED)
    with atomic():
        row = FirmwareRollout.objects.select_for_update().get(pk=rollout.pk)
        if row.status not in ended or row.rows.filter(finished_at=None).exists():
            raise Conflict("The rollout is not over. Abort it first.")
        row.retired_at = row.retired_at or clock.now()
        row.save(update_fields=["retired_at"])
        audit.record("rollout.retired", row, by=by)


def stored_filter(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A filter of :data:`bulk_commands.FILTERS` as plain JSON: ids are texts."""
    found = dict(wanted)
    if "site" in found:
        found["site"] = str(getattr(found["site"], "pk", found["site"]))
    if "stations" in found:
        found["stations"] = [str(pk) for pk in found["stations"]]
    return found


def targets(rollout: FirmwareRollout) -> QuerySet[ChargingStation]:
    """The stations that its filter and list both name, within the sites of who made it."""
    everyone = access.system("rollout")
    wanted = dict(rollout.filter)
    rows = ChargingStation.objects.live().filter(organization_id=rollout.organization_id)
    if rollout.limits:
        rows = rows.filter(site_id__in=rollout.limits)
    if rollout.stations:
        rows = rows.filter(pk__in=rollout.stations)
    if wanted:
        rows = rows & bulk_commands.targets(wanted, by=everyone)
    return rows.select_related("presence", "site").order_by("-presence__connected", "id")


def would_reach(values: Mapping[str, Any], *, by: Actor) -> Preview:
    """The preview of a draft with these values, which is not kept. Raises as :func:`draft`."""
    rollout = FirmwareRollout(organization_id=by.home, limits=sorted(by.limited_to or ()), **values)
    _check(rollout, by)
    return preview(rollout)


def preview(rollout: FirmwareRollout) -> Preview:
    """What :func:`deciding.start` would freeze now. Those that are connected come first, so that the canary is."""
    found = list(targets(rollout)[: MOST_STATIONS + 1])
    if len(found) > MOST_STATIONS:
        raise Invalid(f"These are more than {MOST_STATIONS} stations. Make several rollouts.", field="filter")
    busy = set(
        RolloutStation.objects.filter(station__in=found, finished_at=None)
        .exclude(rollout=rollout.pk)
        .values_list("station_id", flat=True)
    )
    included, left_out = [], []
    for station in found:
        reason = _reason(rollout.image, station, busy)
        if reason:
            left_out.append((station, reason))
        else:
            included.append(station)
    return Preview(_in_waves(included, rollout.waves_wanted), left_out)


def fingerprint(rollout: FirmwareRollout, seen: Preview) -> str:
    """What the rollout would do, in short: the file, its rules, and the stations of each wave."""
    rules = [getattr(rollout, name) for name in RULES]
    waves = [[str(station.pk) for station in wave] for wave in seen.waves]
    told = orjson.dumps([rollout.image.sha256, rules, waves], default=str)
    return hashlib.sha256(told).hexdigest()


def _in_waves(stations: list[ChargingStation], wanted: Any) -> list[list[ChargingStation]]:
    waves, place = [], 0
    for size in sizes(len(stations), wanted):
        waves.append(stations[place : place + size])
        place += size
    return waves


def _reason(image: FirmwareImage, station: ChargingStation, busy: set[UUID]) -> str:
    """Why the station is left out; nothing where it is not."""
    if station.firmware_version and station.firmware_version == image.version:
        return "It runs this version already."
    if not station.enabled:
        return "The station is switched off in its settings."
    if station.pk in busy:
        return "Another rollout is at work on it."
    if not station.supports(Capability.FIRMWARE):
        return "The station cannot be updated from here."
    refusal = firmware_images.fits(image, station)
    return refusal.message if refusal else ""


def _check(rollout: FirmwareRollout, by: Actor) -> None:
    if not rollout.stations and not rollout.filter:
        raise Invalid("Name stations, or filter them by at least one of their fields.", field="filter")
    if rollout.image.retired_at is not None:
        raise Invalid("The image is retired. Choose another.", field="image")
    if len(rollout.waves_wanted) > MOST_WAVES:
        raise Invalid(f"A rollout has at most {MOST_WAVES} waves.", field="waves")
    if (rollout.window_start is None) != (rollout.window_end is None):
        raise Invalid("A window has a start and an end.", field="window")
    if rollout.window_start is not None and rollout.window_start == rollout.window_end:
        raise Invalid("A window ends at another time than it starts.", field="window")
    if rollout.window_days and rollout.window_start is None:
        raise Invalid("Days need the hours of a window.", field="window")
    if set(rollout.window_days) - set(DAYS):
        raise Invalid("Write days as MONDAY to SUNDAY.", field="window")
