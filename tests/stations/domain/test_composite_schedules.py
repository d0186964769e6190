"""What all profiles together allow (energy section 3)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stations.domain.composite_schedules import Outlet, Placed, Window, composite
from stations.domain.smart_charging import ChargingProfile, Period, Schedule

START = datetime(2026, 12, 1, tzinfo=UTC)
Steps = list[tuple[int, float | None]]


def placed(
    purpose: str, periods: list[tuple[int, float]], *, evse_id: int = 0, begins: int = 0, **changes: Any
) -> Placed:
    """A profile in A that begins so many seconds into the window; some of the changes are its schedule's."""
    duration, unit = changes.pop("duration", None), changes.pop("unit", "A")
    phases, local = changes.pop("phases", None), changes.pop("local", None)
    schedule = Schedule(
        rate_unit=unit,
        periods=tuple(
            Period(start_s=second, limit=Decimal(str(limit)), number_phases=phases)
            for second, limit in periods
        ),
        start_schedule=START + timedelta(seconds=begins),
        duration_s=duration,
        use_local_time=local,
    )
    profile = ChargingProfile(
        purpose=purpose, kind=changes.pop("kind", "absolute"), schedules=(schedule,), **changes
    )
    return Placed(evse_id=evse_id, profile=profile)


MAXIMUM = placed("charging_station_max_profile", [(0, 28), (2400, 18)])
DEFAULTS = [
    placed("tx_default_profile", [(0, 13)]),
    placed("tx_default_profile", [(0, 20), (1200, 24)], stack_level=3, duration=3000),
]
SESSION = placed("tx_profile", [(0, 16), (600, 30)], evse_id=1, begins=300, stack_level=1, duration=1500)


def curve(profiles: list[Placed], *outlets: Outlet, evse_id: int = 1, **window: Any) -> Steps:
    asked = {"start": START, "duration_s": 3600, "unit": "A", **window}
    found = composite(profiles, outlets, evse_id, Window(**asked))
    return [(one.start_s, None if one.limit is None else float(one.limit)) for one in found]


@pytest.mark.parametrize(
    ("began", "expected"),
    [
        (None, [(0, 20), (1200, 24), (2400, 18), (3000, 13)]),
        (START, [(0, 20), (300, 16), (900, 28), (1800, 24), (2400, 18), (3000, 13)]),
    ],
)
def test_e05_e06_e07_e09_the_example_of_the_specification(began: datetime | None, expected: Steps) -> None:
    outlet = Outlet(evse_id=1, session_began=began)

    assert curve([MAXIMUM, *DEFAULTS, SESSION], outlet) == expected


def test_e05_what_is_over_or_not_begun_hides_nothing() -> None:
    over = placed("tx_default_profile", [(0, 6)], stack_level=9, valid_to=START + timedelta(seconds=600))
    coming = placed("tx_default_profile", [(0, 8)], stack_level=8, begins=1800)

    assert curve([DEFAULTS[0], over, coming]) == [(0, 6), (600, 13), (1800, 8)]


def test_e07_without_any_profile_the_hardware_counts_or_nothing_is_known() -> None:
    assert curve([], Outlet(evse_id=1, hardware=Decimal(32))) == [(0, 32)]
    assert curve([]) == [(0, None)]


def test_e07_others_limits_count_for_their_evse() -> None:
    external = placed("charging_station_external_constraints", [(0, 10)], evse_id=2)

    assert curve([DEFAULTS[0], external], evse_id=1) == [(0, 13)]
    assert curve([DEFAULTS[0], external], evse_id=2) == [(0, 10)]


def test_e08_units_are_reckoned_by_the_phases_of_the_period() -> None:
    eleven = placed("tx_default_profile", [(0, 11_000)], unit="W")
    single = placed("tx_default_profile", [(0, 1380)], unit="W", phases=1)
    found = composite([single, MAXIMUM], (), 1, Window(start=START, duration_s=60, unit="A"))

    assert curve([eleven]) == [(0, 15.9)]
    assert curve([single]) == [(0, 6)]
    assert curve([placed("tx_default_profile", [(0, 6)])], unit="W") == [(0, 4140)]
    assert found[0].number_phases == 1


def test_e09_a_daily_profile_returns_and_by_local_time_at_the_same_hour_after_the_change() -> None:
    before = datetime(2027, 3, 27, 22, tzinfo=UTC)  # the clock goes forward in the night after that one
    begins = int((before - START).total_seconds())
    daily: dict[str, Any] = {"kind": "recurring", "recurrency": "daily", "duration": 3600, "begins": begins}
    wide: dict[str, Any] = {"start": before, "duration_s": 2 * 86_400, "zone": ZoneInfo("Europe/Berlin")}

    plain = curve([placed("tx_default_profile", [(0, 10)], **daily)], **wide)
    local = curve([placed("tx_default_profile", [(0, 10)], local=True, **daily)], **wide)

    assert plain == [(0, 10), (3600, None), (86_400, 10), (90_000, None)]
    assert local == [(0, 10), (3600, None), (82_800, 10), (86_400, None), (169_200, 10)]


def test_e10_the_station_is_the_least_of_its_maximum_and_the_sum_of_its_evses() -> None:
    outlets = [Outlet(evse_id=number, hardware=Decimal(16)) for number in (1, 2)]

    assert curve([MAXIMUM], *outlets, evse_id=0) == [(0, 28), (2400, 18)]
    assert curve([placed("tx_default_profile", [(0, 6)])], *outlets, evse_id=0) == [(0, 12)]
    assert curve([], outlets[0], Outlet(evse_id=2), evse_id=0) == [(0, None)]
