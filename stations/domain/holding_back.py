"""When limits of ours leave a car less than it can charge by: waiting that we cause (tariffs T-23)."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from heapq import heappop, heappush
from itertools import accumulate, groupby
from operator import itemgetter
from typing import NamedTuple

from stations.domain.charging_rules import RECURRENCE, VOLTAGE_V, begin_of
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
    """When they held the session of that time back, in order, each as long as it lasted.

    Each limit is read alone, then all that they say is gone through once in order of time.
    """
    if end <= start:
        return []
    groups, found, since = [_Group() for _ in _Of], [], None
    heard = sorted(_heard(limits, start, end), key=itemgetter(0))
    for at, words in groupby(heard, key=itemgetter(0)):
        for _at, place, group, low in words:
            groups[group].hear(place, limits[place].profile.stack_level, low)
        holds = _hold_back(groups)
        if holds and since is None:
            since = at
        elif since is not None and not holds:
            found.append((since, at))
            since = None
    return found if since is None else [*found, (since, end)]


class _Of(IntEnum):
    """Limits of which the highest counts. Of the first three the first that says something decides alone."""

    SESSION = 0
    EVSE = 1
    STATION = 2
    WHOLE_STATION = 3


class _Group:
    """What limits for one purpose say at an instant: the highest is asked first, of equal ones the first."""

    def __init__(self) -> None:
        self._said: dict[int, bool] = {}
        self._order: list[tuple[int, int]] = []

    def hear(self, place: int, stack_level: int, low: bool | None) -> None:
        """That limit says from now on whether it is too low, or nothing."""
        if low is None:
            self._said.pop(place, None)
            return
        if place not in self._said:
            heappush(self._order, (-stack_level, place))
        self._said[place] = low

    @property
    def low(self) -> bool | None:
        """``None`` where none says anything."""
        while self._order and self._order[0][1] not in self._said:
            heappop(self._order)
        return self._said[self._order[0][1]] if self._order else None


def _hold_back(groups: Sequence[_Group]) -> bool:
    """Of profiles for one purpose the highest counts that says something; that of a session before defaults."""
    own = next((low for group in groups[: _Of.WHOLE_STATION] if (low := group.low) is not None), False)
    return own or bool(groups[_Of.WHOLE_STATION].low)


def _group_of(one: Limit) -> _Of | None:
    """``None``: it decides nothing here."""
    if one.profile.purpose == Purpose.TX_DEFAULT:
        return _Of.EVSE if one.evse_id else _Of.STATION
    if one.profile.purpose == Purpose.TX:
        return _Of.SESSION
    return _Of.WHOLE_STATION if one.profile.purpose == Purpose.STATION_MAX else None


def _heard(
    limits: Sequence[Limit], start: datetime, end: datetime
) -> Iterator[tuple[datetime, int, _Of, bool | None]]:
    """From when on which limit says what."""
    for place, one in enumerate(limits):
        group = _group_of(one)
        if group is None:
            continue
        before: bool | None = None
        steps = _Steps(one.profile)
        for at in sorted({start, *(at for at in _changes(one, start, end) if start < at < end)}):
            low = _is_low(one, steps, at, start)
            if low is not before:
                yield at, place, group, low
            before = low


def _is_low(one: Limit, steps: "_Steps", at: datetime, began: datetime) -> bool | None:
    """Whether it is too low then; ``None`` where it says nothing."""
    profile = one.profile
    early = at < one.since or (profile.valid_from is not None and at < profile.valid_from)
    late = any(until is not None and at >= until for until in (one.until, profile.valid_to))
    return None if early or late else steps.low_at(at, began)


class _Steps:
    """The periods of a profile in order of time."""

    def __init__(self, profile: ChargingProfile) -> None:
        self._profile = profile
        self._schedule = profile.schedules[0] if profile.schedules else None
        periods = self._schedule.periods if self._schedule else ()
        order = sorted(range(len(periods)), key=lambda place: periods[place].start_s)
        self._starts = [periods[place].start_s for place in order]
        self._periods = [periods[place] for place in accumulate(order, max)]

    def low_at(self, at: datetime, began: datetime) -> bool | None:
        """As the period of that instant says; ``None`` before, after and where it has no limit."""
        schedule = self._schedule
        if schedule is None:
            return None
        second = (at - begin_of(self._profile, schedule, at, began)).total_seconds()
        if second < 0 or (schedule.duration_s is not None and second >= schedule.duration_s):
            return None
        place = bisect_right(self._starts, second) - 1
        limit = self._periods[place].limit if place >= 0 else None
        return None if limit is None else limit < LEAST.get(schedule.rate_unit, Decimal(0))


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
