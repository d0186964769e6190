"""When limits of ours leave a car less than it can charge by: waiting that we cause (tariffs T-23)."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from stations.domain.charging_rules import RECURRENCE, VOLTAGE_V, begin_of, period_at
from stations.domain.smart_charging import ChargingProfile, Kind, Purpose

LEAST = {"A": Decimal(6), "W": Decimal(6 * VOLTAGE_V)}
"""Below this no car charges, on whatever phases: 6 A, and as much on one phase."""
Span = tuple[datetime, datetime]


class Limit(NamedTuple):
    """A profile of ours that a station had from one instant to another, at an EVSE or (0) as a whole."""

    profile: ChargingProfile
    evse_id: int
    since: datetime
    until: datetime | None


def spans(limits: Sequence[Limit], start: datetime, end: datetime) -> list[Span]:
    """When they held the session of that time back, in order, each as long as it lasted."""
    instants = {at for one in limits for at in _changes(one, start, end)}
    found: list[Span] = []
    for at, until in pairwise(sorted({start, end, *(one for one in instants if start < one < end)})):
        if not _holds_back(limits, at, start):
            continue
        if found and found[-1][1] == at:
            found[-1] = (found[-1][0], until)
        else:
            found.append((at, until))
    return found


def _holds_back(limits: Sequence[Limit], at: datetime, began: datetime) -> bool:
    """Of profiles for one purpose the highest counts that says something; that of a session before defaults."""
    present = [one for one in limits if one.since <= at and (one.until is None or at < one.until)]
    defaults = [one for one in present if one.profile.purpose == Purpose.TX_DEFAULT]
    whole = [one for one in present if one.profile.purpose == Purpose.STATION_MAX]
    for_session = (
        [one for one in present if one.profile.purpose == Purpose.TX],
        [one for one in defaults if one.evse_id],
        [one for one in defaults if not one.evse_id],
    )
    own = next((low for group in for_session if (low := _is_low(group, at, began)) is not None), False)
    return own or bool(_is_low(whole, at, began))


def _is_low(limits: Sequence[Limit], at: datetime, began: datetime) -> bool | None:
    """Whether the highest that says something is too low; ``None`` where none says anything."""
    for one in sorted(limits, key=lambda limit: limit.profile.stack_level, reverse=True):
        profile = one.profile
        early = profile.valid_from is not None and at < profile.valid_from
        late = profile.valid_to is not None and at >= profile.valid_to
        if early or late or not profile.schedules:
            continue
        schedule = profile.schedules[0]
        period = period_at(schedule, begin_of(profile, schedule, at, began), at)
        if period is not None and period.limit is not None:
            return period.limit < LEAST.get(schedule.rate_unit, Decimal(0))
    return None


def _changes(one: Limit, start: datetime, end: datetime) -> Iterator[datetime]:
    """Every instant between start and end at which it may say something else."""
    profile = one.profile
    yield from (at for at in (one.since, one.until, profile.valid_from, profile.valid_to) if at is not None)
    if not profile.schedules:
        return
    schedule = profile.schedules[0]
    begin = begin_of(profile, schedule, start, start)
    seconds = [period.start_s for period in schedule.periods]
    seconds += [] if schedule.duration_s is None else [schedule.duration_s]
    while begin < end:
        yield from (begin + timedelta(seconds=second) for second in seconds)
        if profile.kind != Kind.RECURRING or not profile.recurrency:
            return
        begin += RECURRENCE[profile.recurrency]
