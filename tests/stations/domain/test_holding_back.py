"""When limits of ours hold a session back (tariffs T-23)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from stations.domain.holding_back import Limit, spans
from stations.domain.smart_charging import ChargingProfile, Period, Schedule

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
