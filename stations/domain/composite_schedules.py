"""What all profiles together allow: one curve for an EVSE or for the station (energy E-05 to E-10).

Priority charging and local generation of OCPP 2.1 depend on what happens at the station and are not counted.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from zoneinfo import ZoneInfo

from core.errors import Invalid
from stations.domain.charging_rules import PHASES, RECURRENCE, VOLTAGE_V, begin_of, period_at, tenth
from stations.domain.smart_charging import ChargingProfile, Kind, Period, Purpose, Schedule

STATION = 0
UTC_ZONE = ZoneInfo("UTC")
LONGEST_S = 7 * 86_400
MOST_STEPS = 2_000_000
"""Instants by EVSEs by periods: about a second's reckoning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A profile with the EVSE that it stands at; 0 is the whole station."""

    evse_id: int
    profile: ChargingProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """An EVSE: the most that its hardware gives, in the unit asked for, and since when a session runs there."""

    evse_id: int
    hardware: Decimal | None = None
    session_began: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is looked at. ``unit`` is A for each phase or W; ``zone`` is that of schedules in local time."""

    start: datetime
    duration_s: int
    unit: str
    zone: ZoneInfo = UTC_ZONE
    voltage_v: int = VOLTAGE_V

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.duration_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What may be drawn from ``start_s`` seconds into the window on; without a limit nobody knows one."""

    start_s: int
    limit: Decimal | None
    number_phases: int | None


Limit = tuple[Decimal, int | None]
"""In the window's unit, with the phases that its period names."""


def composite(
    profiles: Sequence[Placed], outlets: Sequence[Outlet], evse_id: int, window: Window
) -> tuple[Allowed, ...]:
    """The curve of one EVSE, or with 0 of the station, whose EVSEs are added up (E-10).

    Raises :class:`Invalid` where the profiles change more often within the window than can be reckoned.
    """
    shown = [one for one in outlets if evse_id in (STATION, one.evse_id)]
    if evse_id != STATION and not shown:
        shown = [Outlet(evse_id=evse_id)]
    allowed: list[Allowed] = []
    for second in _changes(profiles, shown, window):
        at = window.start + timedelta(seconds=second)
        limit, phases = _at(profiles, shown, evse_id, at, window)
        if not allowed or (allowed[-1].limit, allowed[-1].number_phases) != (limit, phases):
            allowed.append(Allowed(start_s=second, limit=limit, number_phases=phases))
    return tuple(allowed)


def _at(
    profiles: Sequence[Placed], outlets: Sequence[Outlet], evse_id: int, at: datetime, window: Window
) -> tuple[Decimal | None, int | None]:
    if evse_id != STATION:
        return _least(_of_evse(profiles, outlets[0], at, window))
    acting = list(_of_station(profiles, at, window))
    parts = [_least(_of_evse(profiles, one, at, window)) for one in outlets]
    known = [limit for limit, _ in parts if limit is not None]
    if parts and len(known) == len(parts):
        acting.append((sum(known, Decimal(0)), max((phases for _, phases in parts if phases), default=None)))
    return _least(acting)


def _least(acting: Sequence[Limit] | Iterator[Limit]) -> tuple[Decimal | None, int | None]:
    """The lowest of them, with the fewest phases of those that act (E-07, E-08)."""
    limits = list(acting)
    phases = [some for _, some in limits if some is not None]
    lowest = min((limit for limit, _ in limits), default=None)
    return (None if lowest is None else tenth(lowest), min(phases, default=None))


def _of_evse(profiles: Sequence[Placed], outlet: Outlet, at: datetime, window: Window) -> Iterator[Limit]:
    yield from _of_station(profiles, at, window, outlet)
    if outlet.hardware is not None:
        yield outlet.hardware, None
    charging = outlet.session_began is not None and outlet.session_began <= at
    own = _leading(profiles, Purpose.TX, outlet, at, window) if charging else None
    own = own or _leading(profiles, Purpose.TX_DEFAULT, outlet, at, window)
    if own is not None:
        yield own


def _of_station(
    profiles: Sequence[Placed], at: datetime, window: Window, outlet: Outlet | None = None
) -> Iterator[Limit]:
    """What limits the station, and with an EVSE what somebody else limits that one to."""
    station = Outlet(evse_id=STATION)
    for purpose, place in ((Purpose.STATION_MAX, station), (Purpose.EXTERNAL, outlet or station)):
        found = _leading(profiles, purpose, place, at, window)
        if found is not None:
            yield found


def _leading(
    profiles: Sequence[Placed], purpose: Purpose, outlet: Outlet, at: datetime, window: Window
) -> Limit | None:
    """Of the highest stack level that has a period now (E-05); the EVSE's own goes before the station's."""
    ranked = sorted(
        (
            one
            for one in profiles
            if one.profile.purpose == purpose and one.evse_id in (STATION, outlet.evse_id)
        ),
        key=lambda one: (one.profile.stack_level, one.evse_id),
        reverse=True,
    )
    found = (_limit(one.profile, at, outlet.session_began, window) for one in ranked)
    return next((limit for limit in found if limit is not None), None)


def _limit(
    profile: ChargingProfile, at: datetime, session_began: datetime | None, window: Window
) -> Limit | None:
    if (profile.valid_from and at < profile.valid_from) or (profile.valid_to and at >= profile.valid_to):
        return None
    schedule = profile.schedules[0]
    period = period_at(schedule, _begin(profile, schedule, at, session_began, window.zone), at)
    lowest = _lowest(period)
    if period is None or lowest is None:
        return None
    return _in_unit(lowest, schedule.rate_unit, period.number_phases, window), period.number_phases


def _lowest(period: Period | None) -> Decimal | None:
    """Where phases have limits of their own (2.1), the lowest one holds for all."""
    limits = (period.limit, period.limit_l2, period.limit_l3) if period else ()
    return min((limit for limit in limits if limit is not None), default=None)


def _in_unit(limit: Decimal, of: str, phases: int | None, window: Window) -> Decimal:
    factor = Decimal(window.voltage_v * (phases or PHASES))
    if of == window.unit:
        return limit
    return limit * factor if window.unit == "W" else limit / factor


def _begin(
    profile: ChargingProfile, schedule: Schedule, at: datetime, session_began: datetime | None, zone: ZoneInfo
) -> datetime:
    """Since when the schedule counts; what recurs by local time does so at the same hour of the clock."""
    recurs = profile.kind == Kind.RECURRING and profile.recurrency
    if not (recurs and schedule.use_local_time and schedule.start_schedule):
        return begin_of(profile, schedule, at, session_began)
    every = RECURRENCE[str(profile.recurrency)]
    first = schedule.start_schedule.astimezone(zone).replace(tzinfo=None)
    rounds = max(0, (at.astimezone(zone).replace(tzinfo=None) - first) // every)
    return (first + rounds * every).replace(tzinfo=zone).astimezone(UTC)


def _changes(profiles: Sequence[Placed], outlets: Sequence[Outlet], window: Window) -> list[int]:
    """The seconds of the window at which anything may change (E-09)."""
    seconds = {0}
    periods = sum(len(one.profile.schedules[0].periods) for one in profiles)
    steps = max(1, periods) * max(1, len(outlets))
    sessions = [one.session_began for one in outlets if one.session_began]
    told = chain.from_iterable(_instants(one.profile, sessions, window) for one in profiles)
    for instant in chain(sessions, told):
        second = math.ceil((instant - window.start).total_seconds())
        if 0 < second < window.duration_s:
            seconds.add(second)
        if len(seconds) * steps > MOST_STEPS:
            raise Invalid(
                "The profiles change too often in this window. Choose a shorter one.", field="duration_s"
            )
    return sorted(seconds)


def _instants(profile: ChargingProfile, sessions: Sequence[datetime], window: Window) -> Iterator[datetime]:
    yield from (edge for edge in (profile.valid_from, profile.valid_to) if edge is not None)
    schedule = profile.schedules[0]
    ends = [period.start_s for period in schedule.periods]
    if schedule.duration_s is not None:
        ends.append(schedule.duration_s)
    for begin in _begins(profile, schedule, sessions, window):
        yield begin
        yield from (begin + timedelta(seconds=second) for second in ends)


def _begins(
    profile: ChargingProfile, schedule: Schedule, sessions: Sequence[datetime], window: Window
) -> Iterator[datetime]:
    """Every begin of the schedule that counts within the window."""
    counted: Sequence[datetime | None] = sessions or [None]
    for began in counted:
        yield _begin(profile, schedule, window.start, began, window.zone)
    if profile.kind != Kind.RECURRING or not profile.recurrency:
        return
    every = RECURRENCE[profile.recurrency]
    at = window.start + every
    while at < window.end + every:
        for began in counted:
            yield _begin(profile, schedule, at, began, window.zone)
        at += every
