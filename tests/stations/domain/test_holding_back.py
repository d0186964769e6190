"""When limits of ours hold a session back (tariffs T-23)."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.domain.charging_rules import RECURRENCE, begin_of, period_at
from stations.domain.holding_back import LEAST, Limit, Span, spans
from stations.domain.smart_charging import ChargingProfile, Kind, Period, Purpose, Schedule

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
END = START + timedelta(hours=1)


def minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


def limit(
    *steps: tuple[int, int],
    unit: str = "A",
    evse_id: int = 1,
    since: float = -60,
    until: float | None = None,
    schedule: Any = None,
    **fields: Any,
) -> Limit:
    """Limits from so many minutes on, in a profile that was there from and until so many minutes after the start."""
    periods = tuple(Period(start_s=at * 60, limit=Decimal(value)) for at, value in steps)
    told = {"purpose": "tx_default_profile", "kind": "absolute", **fields}
    curve = Schedule(rate_unit=unit, periods=periods, **{"start_schedule": START, **(schedule or {})})
    profile = ChargingProfile(schedules=(curve,), **told)
    return Limit(profile, evse_id, minutes(since), None if until is None else minutes(until))


WHOLE = [(0, 60)]
HIGH = limit((0, 16), stack_level=5)


@pytest.mark.parametrize(
    ("what", "limits", "found"),
    [
        ("none", [], []),
        ("6 A", [limit((0, 6))], []),
        ("less", [limit((0, 5))], WHOLE),
        ("1,380 W", [limit((0, 1380), unit="W")], []),
        ("fewer watts", [limit((0, 1379), unit="W")], WHOLE),
        ("there for a while", [limit((0, 0), since=20, until=35)], [(20, 35)]),
        ("steps", [limit((0, 16), (15, 0), (30, 10), (45, 3))], [(15, 30), (45, 60)]),
        ("steps that follow each other", [limit((0, 16), (15, 0), (30, 5), (45, 16))], [(15, 45)]),
        ("a duration", [limit((0, 0), schedule={"duration_s": 600})], [(0, 10)]),
        ("valid later", [limit((0, 0), valid_from=minutes(50))], [(50, 60)]),
        ("valid before", [limit((0, 0), valid_to=minutes(5))], [(0, 5)]),
        ("begins later", [limit((0, 0), schedule={"start_schedule": minutes(12)})], [(12, 60)]),
        ("from the start of the session", [limit((0, 16), (40, 0), kind="relative",
                                                 schedule={"start_schedule": None})], [(40, 60)]),
        ("every day", [limit((0, 16), (30, 0), kind="recurring", recurrency="daily",
                             schedule={"start_schedule": START - timedelta(days=3)})], [(30, 60)]),
        ("a higher one", [limit((0, 0)), HIGH], []),
        ("a higher one that says nothing", [limit((0, 0)), limit((0, 16), stack_level=5, valid_to=START)], WHOLE),
        ("of the station's default, not of its own", [limit((0, 0), evse_id=0), limit((0, 16))], []),
        ("of the EVSE, not of the station's default", [limit((0, 16), evse_id=0), limit((0, 0))], WHOLE),
        ("the session's own", [limit((0, 0)), limit((0, 16), purpose="tx_profile")], []),
        ("the whole station", [HIGH, limit((0, 4), purpose="charging_station_max_profile", evse_id=0)], WHOLE),
        ("no limit at all", [limit((0, 0), purpose="priority_charging")], []),
    ],
)  # fmt: skip
def test_t23_a_limit_below_what_any_car_takes_holds_back_while_it_decides(
    what: str, limits: list[Limit], found: list[tuple[int, int]]
) -> None:
    assert spans(limits, START, END) == [(minutes(begin), minutes(end)) for begin, end in found], what


# -- the same as reading all limits anew at every instant ------------------------------------------------------


def read_simply(limits: Sequence[Limit], start: datetime, end: datetime) -> list[Span]:
    instants = {at for one in limits for at in changes_of(one, start, end) if start < at < end}
    found: list[Span] = []
    for at, until in pairwise(sorted({start, end, *instants})):
        if holds_back(limits, at, start):
            joined = bool(found) and found[-1][1] == at
            found[-1:] = [(found[-1][0], until)] if joined else [*found[-1:], (at, until)]
    return found


def holds_back(limits: Sequence[Limit], at: datetime, began: datetime) -> bool:
    present = [one for one in limits if one.since <= at and (one.until is None or at < one.until)]
    defaults = [one for one in present if one.profile.purpose == Purpose.TX_DEFAULT]
    whole = [one for one in present if one.profile.purpose == Purpose.STATION_MAX]
    for_session = (
        [one for one in present if one.profile.purpose == Purpose.TX],
        [one for one in defaults if one.evse_id],
        [one for one in defaults if not one.evse_id],
    )
    own = next((low for group in for_session if (low := is_low(group, at, began)) is not None), False)
    return own or bool(is_low(whole, at, began))


def is_low(limits: Sequence[Limit], at: datetime, began: datetime) -> bool | None:
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


def changes_of(one: Limit, start: datetime, end: datetime) -> list[datetime]:
    profile = one.profile
    found = [at for at in (one.since, one.until, profile.valid_from, profile.valid_to) if at is not None]
    if not profile.schedules:
        return found
    schedule = profile.schedules[0]
    begin = begin_of(profile, schedule, start, start)
    seconds = [*(period.start_s for period in schedule.periods), *filter(None, [schedule.duration_s])]
    while begin < end:
        found += [begin + timedelta(seconds=second) for second in seconds]
        if profile.kind != Kind.RECURRING or not profile.recurrency:
            return found
        begin += RECURRENCE[profile.recurrency]
    return found


MOMENTS = st.integers(-3000, 3000).map(minutes)
PERIODS = st.lists(
    st.builds(
        Period,
        start_s=st.integers(0, 90_000),
        limit=st.none() | st.sampled_from([Decimal(0), Decimal(5), Decimal(6), Decimal(1400)]),
    ),
    max_size=5,
)
SCHEDULES = st.builds(
    Schedule,
    rate_unit=st.sampled_from(["A", "W", "?"]),
    periods=PERIODS.map(tuple),
    start_schedule=st.none() | MOMENTS,
    duration_s=st.none() | st.integers(1, 200_000),
)
PROFILES = st.builds(
    ChargingProfile,
    purpose=st.sampled_from([*Purpose]),
    kind=st.sampled_from([*Kind]),
    recurrency=st.none() | st.sampled_from([*RECURRENCE]),
    stack_level=st.integers(0, 3),
    schedules=st.lists(SCHEDULES, max_size=2).map(tuple),
    valid_from=st.none() | MOMENTS,
    valid_to=st.none() | MOMENTS,
)
LIMITS = st.lists(
    st.builds(
        Limit,
        profile=PROFILES,
        evse_id=st.integers(0, 1),
        since=MOMENTS,
        until=st.none() | MOMENTS,
    ),
    max_size=8,
)


@given(limits=LIMITS, length=st.integers(1, 4000))
def test_t23_whatever_the_limits_are_they_hold_back_when_each_instant_says_so(
    limits: list[Limit], length: int
) -> None:
    assert spans(limits, START, minutes(length)) == read_simply(limits, START, minutes(length))


def test_t23_ten_thousand_limits_are_read_in_no_time_to_speak_of() -> None:
    """Read anew at every instant they took minutes."""
    many = [limit((0, place % 2 * 16), since=place / 200, until=place / 200 + 5) for place in range(10_000)]
    began = time.perf_counter()
    found = spans(many, START, END)

    assert time.perf_counter() - began < 5
    assert found[0][0] == START
