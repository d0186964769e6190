"""What limits each EVSE now, and why; for pages and the API."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from core import clock
from core.errors import Invalid
from stations.domain import charging_rules, smart_charging
from stations.domain.charging_rules import TENTH, in_unit
from stations.domain.smart_charging import ChargingProfile, Purpose, Schedule
from stations.models import ChargingLimit, CompositeSchedule, Evse, InstalledProfile
from stations.services.smart_charging import composites


class Reason(StrEnum):
    """Why charging is limited."""

    OTHERS = "others"
    SESSION = "session"
    DEFAULT = "default"
    STATION = "station"
    REPORTED = "reported"


OF_PURPOSE = {
    Purpose.TX.value: Reason.SESSION,
    Purpose.TX_DEFAULT.value: Reason.DEFAULT,
    Purpose.STATION_MAX.value: Reason.STATION,
    Purpose.EXTERNAL.value: Reason.OTHERS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitNow:
    """A limit in A for each phase, or W. ``by`` is a source of limits, or who set the profile."""

    limit: Decimal
    unit: str
    reason: Reason
    by: str = ""
    grid_critical: bool = False

    @property
    def watts(self) -> Decimal:
        return in_unit(self.limit, self.unit, "W", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is known of one station's limits, read once."""

    profiles: tuple[InstalledProfile, ...]
    others: tuple[ChargingLimit, ...]
    composites: tuple[CompositeSchedule, ...]


def read(station_id: UUID) -> Limits:
    """In three queries."""
    return Limits(
        profiles=tuple(
            InstalledProfile.objects.live().filter(station_id=station_id).select_related("transaction")
        ),
        others=tuple(ChargingLimit.objects.filter(station_id=station_id, cleared_at=None)),
        composites=tuple(CompositeSchedule.objects.filter(station_id=station_id)),
    )


def limit_of(limits: Limits, evse: Evse, at: datetime | None = None) -> LimitNow | None:
    """The limit of an EVSE: as the station last told it, else the tightest of what it was told or told us."""
    at = at or clock.now()
    tightest = min(_all(limits, evse, at), key=lambda found: found.watts, default=None)
    told = _told(limits.composites, evse.evse_id, at)
    if told is None or (tightest and tightest.watts <= told.watts + TENTH * charging_rules.VOLTAGE_V):
        return tightest
    return told


def _told(rows: Iterable[CompositeSchedule], evse_id: int, at: datetime) -> LimitNow | None:
    row = next((one for one in rows if one.evse_id == evse_id and one.periods), None)
    limit = composites.limit_now(row, at) if row else None
    return (
        LimitNow(limit=limit, unit=row.rate_unit, reason=Reason.REPORTED)
        if row and limit is not None
        else None
    )


def _all(limits: Limits, evse: Evse, at: datetime) -> Iterator[LimitNow]:
    for other in limits.others:
        if other.evse_id in (0, evse.evse_id):
            yield from _of_other(other, at)
    session = _leading(limits.profiles, evse, Purpose.TX, at)
    default = None if session else _leading(limits.profiles, evse, Purpose.TX_DEFAULT, at)
    above = [
        _leading(limits.profiles, evse, purpose, at) for purpose in (Purpose.STATION_MAX, Purpose.EXTERNAL)
    ]
    yield from (found for found in (session, default, *above) if found is not None)


def _of_other(other: ChargingLimit, at: datetime) -> Iterator[LimitNow]:
    for content in other.schedules[:1]:
        schedule = smart_charging.schedule_of(content)
        period = charging_rules.period_at(schedule, schedule.start_schedule or other.notified_at, at)
        if period is not None and period.limit is not None:
            yield LimitNow(
                limit=period.limit,
                unit=schedule.rate_unit,
                reason=Reason.OTHERS,
                by=other.source,
                grid_critical=bool(other.grid_critical),
            )


def _leading(rows: Iterable[InstalledProfile], evse: Evse, purpose: str, at: datetime) -> LimitNow | None:
    """Within a purpose the highest level that says something now."""
    wanted = [row for row in rows if row.purpose == purpose and row.evse_id in (0, evse.evse_id)]
    if purpose == Purpose.TX:
        wanted = [row for row in wanted if row.transaction and row.transaction.evse_id == evse.pk]
    for row in sorted(wanted, key=lambda one: (-one.stack_level, -one.evse_id)):
        found = _of_profile(row, evse, at)
        if found is not None:
            return found
    return None


def _of_profile(row: InstalledProfile, evse: Evse, at: datetime) -> LimitNow | None:
    try:
        profile = smart_charging.profile_of(row.content)
    except Invalid:
        return None
    schedule = _first(profile)
    began = (
        row.transaction.started_at if row.transaction else (evse.active.started_at if evse.active else None)
    )
    limit = charging_rules.limit_at(profile, at, began, schedule.rate_unit) if schedule else None
    if schedule is None or limit is None:
        return None
    by = row.installed_by if row.installed_by else row.source
    return LimitNow(limit=limit, unit=schedule.rate_unit, reason=OF_PURPOSE[row.purpose], by=by)


def _first(profile: ChargingProfile) -> Schedule | None:
    return profile.schedules[0] if profile.schedules else None
