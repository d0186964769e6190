"""What a charging profile must keep to before it is sent, and reckoning with limits (OCPP 2.0.1 K01).

What a station can take is learned from its device model; what it did not tell is not checked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from typing import Any

from core.errors import Invalid, NotSupported
from stations.domain.smart_charging import (
    OPERATION_MODES,
    RATE_UNITS,
    RECURRENCIES,
    ChargingProfile,
    Kind,
    Period,
    Purpose,
    Schedule,
)

MAX_SCHEDULES = 3
MAX_PERIODS = 1024
PHASES = 3
VOLTAGE_V = 230
"""Line to neutral, for reckoning from A to W and back."""

TENTH = Decimal("0.1")
LIMITS = ("limit", "limit_l2", "limit_l3")
DISCHARGES = ("discharge_limit", "discharge_limit_l2", "discharge_limit_l3")
RATES = (
    *LIMITS,
    *DISCHARGES,
    "setpoint",
    "setpoint_l2",
    "setpoint_l3",
    "setpoint_reactive",
    "setpoint_reactive_l2",
    "setpoint_reactive_l3",
    "v2x_baseline",
)
ONLY_FOR_EVSES = frozenset({Purpose.TX, Purpose.PRIORITY})
RECURRENCE = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What the station said of its smart charging; ``None`` and empty: it did not say."""

    max_stack_level: int | None = None
    max_periods: int | None = None
    rate_units: tuple[str, ...] = ()
    reserved_ids: int = 0
    offered: bool = True


def check(profile: ChargingProfile, evse_id: int, abilities: Abilities) -> None:
    """Raise :class:`Invalid` naming what is wrong, :class:`NotSupported` for what the station cannot take."""
    _check_purpose(profile, evse_id)
    _check_kind(profile)
    _check_numbers(profile, abilities)
    if not 1 <= len(profile.schedules) <= MAX_SCHEDULES:
        raise Invalid(f"A profile has one to {MAX_SCHEDULES} schedules.", field="charging_profile/schedules")
    for place, schedule in enumerate(profile.schedules):
        _check_schedule(schedule, profile, abilities, f"charging_profile/schedules/{place}")


def check_update(update: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` for new figures of a dynamic profile that no period could have."""
    if any(update.get(name, 0) < 0 for name in LIMITS):
        raise Invalid("A limit is 0 or more.", field="update")
    if any(update.get(name, 0) > 0 for name in DISCHARGES):
        raise Invalid("A limit of discharging is 0 or less.", field="update")


def fitted(profile: ChargingProfile, abilities: Abilities) -> tuple[ChargingProfile, str]:
    """The profile in a unit that the station takes, and how it was reckoned; empty where nothing was (P252).

    Schedules without a number get their place.
    """
    converted = [
        _fitted(replace(schedule, id=schedule.id or place), abilities)
        for place, schedule in enumerate(profile.schedules, 1)
    ]
    notes = list(dict.fromkeys(note for _, note in converted if note))
    return replace(profile, schedules=tuple(schedule for schedule, _ in converted)), "; ".join(notes)


def in_unit(value: Decimal, of: str, wanted: str, phases: int | None) -> Decimal:
    """A rate in A for each phase as W, or the other way; rounded down to one decimal."""
    if of == wanted:
        return value
    factor = Decimal(VOLTAGE_V * (phases or PHASES))
    return tenth(value * factor if wanted == "W" else value / factor)


def tenth(value: Decimal) -> Decimal:
    """Cut to one decimal, towards zero (P250)."""
    return value.quantize(TENTH, ROUND_DOWN)


def begin_of(
    profile: ChargingProfile, schedule: Schedule, at: datetime, session_began: datetime | None
) -> datetime:
    """Since when the schedule counts, seen from an instant."""
    if profile.kind == Kind.DYNAMIC:
        return at
    start = schedule.start_schedule if profile.kind != Kind.RELATIVE else None
    start = start or session_began or at
    if profile.kind == Kind.RECURRING and profile.recurrency and at > start:
        start += ((at - start) // RECURRENCE[profile.recurrency]) * RECURRENCE[profile.recurrency]
    return start


def period_at(schedule: Schedule, begin: datetime, at: datetime) -> Period | None:
    """The period that holds at an instant; ``None`` before the schedule and after its duration."""
    second = (at - begin).total_seconds()
    if second < 0 or (schedule.duration_s is not None and second >= schedule.duration_s):
        return None
    begun = [period for period in schedule.periods if period.start_s <= second]
    return begun[-1] if begun else None


def limit_at(
    profile: ChargingProfile, at: datetime, session_began: datetime | None, unit: str
) -> Decimal | None:
    """What the profile allows at an instant, in A or W; ``None`` where it says nothing."""
    if (profile.valid_from and at < profile.valid_from) or (profile.valid_to and at >= profile.valid_to):
        return None
    if not profile.schedules:
        return None
    schedule = profile.schedules[0]
    period = period_at(schedule, begin_of(profile, schedule, at, session_began), at)
    if period is None or period.limit is None:
        return None
    return in_unit(period.limit, schedule.rate_unit, unit, period.number_phases)


def keeps_to(
    car: Schedule, time_base: datetime, profile: ChargingProfile, session_began: datetime | None
) -> bool:
    """Whether what the car plans stays within the profile whenever that says something (K15.FR.11)."""
    instants = [time_base + timedelta(seconds=period.start_s) for period in car.periods]
    return all(
        _stays_below(car, period, profile, at, session_began)
        for own, period in zip(instants, car.periods, strict=True)
        for at in [own, *_changes_between(profile, own, _end_of(car, time_base, period), session_began)]
    )


def highest(periods: Sequence[Period]) -> Decimal | None:
    """The largest limit among them."""
    limits = [period.limit for period in periods if period.limit is not None]
    return max(limits) if limits else None


def _stays_below(
    car: Schedule,
    period: Period,
    profile: ChargingProfile,
    at: datetime,
    session_began: datetime | None,
) -> bool:
    if period.limit is None:
        return True
    allowed = limit_at(profile, at, session_began, car.rate_unit)
    # Reckoning between A and W loses up to a tenth.
    return allowed is None or period.limit <= allowed + TENTH


def _end_of(car: Schedule, time_base: datetime, period: Period) -> datetime | None:
    later = [other.start_s for other in car.periods if other.start_s > period.start_s]
    end = min(later) if later else car.duration_s
    return None if end is None else time_base + timedelta(seconds=end)


def _changes_between(
    profile: ChargingProfile, begin: datetime, end: datetime | None, session_began: datetime | None
) -> list[datetime]:
    """When the profile changes while one period of the car lasts."""
    if not profile.schedules:
        return []
    schedule = profile.schedules[0]
    start = begin_of(profile, schedule, begin, session_began)
    steps = [start + timedelta(seconds=period.start_s) for period in schedule.periods]
    return [step for step in steps if begin < step and (end is None or step < end)]


def _check_purpose(profile: ChargingProfile, evse_id: int) -> None:
    field = "charging_profile/purpose"
    if profile.purpose not in list(Purpose):
        raise Invalid(f"“{profile.purpose}” is none of {', '.join(Purpose)}.", field=field)
    if profile.purpose == Purpose.EXTERNAL:
        raise Invalid("External constraints are reported by stations and never sent to them.", field=field)
    if profile.purpose == Purpose.STATION_MAX and evse_id:
        raise Invalid(
            "A maximum of the station is for the whole station: leave out the EVSE.", field="evse_id"
        )
    if profile.purpose in ONLY_FOR_EVSES and not evse_id:
        raise Invalid(f"A {profile.purpose} is for one EVSE: name it.", field="evse_id")


def _check_kind(profile: ChargingProfile) -> None:
    field = "charging_profile/kind"
    if profile.kind not in list(Kind):
        raise Invalid(f"“{profile.kind}” is none of {', '.join(Kind)}.", field=field)
    if profile.kind == Kind.RELATIVE and profile.purpose == Purpose.STATION_MAX:
        raise Invalid("A maximum of the station cannot count from the start of a session.", field=field)
    recurs = profile.kind == Kind.RECURRING
    if recurs != (profile.recurrency is not None) or (recurs and profile.recurrency not in RECURRENCIES):
        raise Invalid(
            "A recurring profile, and no other, says “daily” or “weekly”.",
            field="charging_profile/recurrency",
        )
    if profile.valid_from and profile.valid_to and profile.valid_from >= profile.valid_to:
        raise Invalid("The validity ends before it begins.", field="charging_profile/valid_to")


def _check_numbers(profile: ChargingProfile, abilities: Abilities) -> None:
    if profile.stack_level < 0:
        raise Invalid("The stack level is 0 or more.", field="charging_profile/stack_level")
    if abilities.max_stack_level is not None and profile.stack_level > abilities.max_stack_level:
        raise NotSupported(
            f"The station takes stack levels up to {abilities.max_stack_level}.",
            field="charging_profile/stack_level",
        )
    if profile.id is not None and profile.id <= max(0, abilities.reserved_ids):
        raise Invalid(
            f"The number of a profile is above {max(0, abilities.reserved_ids)} at this station.",
            field="charging_profile/id",
        )


def _check_schedule(schedule: Schedule, profile: ChargingProfile, abilities: Abilities, place: str) -> None:
    if schedule.rate_unit not in RATE_UNITS:
        raise Invalid("The unit is A or W.", field=f"{place}/rate_unit")
    if profile.kind in (Kind.ABSOLUTE, Kind.RECURRING) and schedule.start_schedule is None:
        raise Invalid(
            f"A profile of the kind “{profile.kind}” says when it starts.", field=f"{place}/start_schedule"
        )
    if schedule.duration_s is not None and schedule.duration_s <= 0:
        raise Invalid("A duration is at least one second.", field=f"{place}/duration_s")
    _check_periods(schedule, profile, abilities, f"{place}/periods")


def _check_periods(schedule: Schedule, profile: ChargingProfile, abilities: Abilities, place: str) -> None:
    most = min(abilities.max_periods or MAX_PERIODS, MAX_PERIODS)
    starts = [period.start_s for period in schedule.periods]
    if not starts or starts[0] != 0:
        raise Invalid("The first period starts at second 0.", field=place)
    if any(later <= earlier for earlier, later in pairwise(starts)):
        raise Invalid("Each period starts after the one before.", field=place)
    if len(starts) > most:
        raise NotSupported(f"The station takes at most {most} periods in a schedule.", field=place)
    if profile.kind == Kind.DYNAMIC and len(starts) != 1:
        raise Invalid("A dynamic profile has one period.", field=place)
    for number, period in enumerate(schedule.periods):
        _check_period(period, f"{place}/{number}")


def _check_period(period: Period, place: str) -> None:
    if period.operation_mode is not None and period.operation_mode not in OPERATION_MODES:
        raise Invalid(
            f"“{period.operation_mode}” is none of {', '.join(OPERATION_MODES)}.",
            field=f"{place}/operation_mode",
        )
    if period.limit is None and period.setpoint is None and period.operation_mode is None:
        raise Invalid("A period has a limit.", field=f"{place}/limit")
    for name in LIMITS:
        if (getattr(period, name) or 0) < 0:
            raise Invalid("A limit is 0 or more.", field=f"{place}/{name}")
    for name in DISCHARGES:
        if (getattr(period, name) or 0) > 0:
            raise Invalid("A limit of discharging is 0 or less.", field=f"{place}/{name}")
    if period.number_phases is not None and not 1 <= period.number_phases <= PHASES:
        raise Invalid("A period has one to three phases.", field=f"{place}/number_phases")
    if period.phase_to_use is not None and (
        period.number_phases != 1 or not 1 <= period.phase_to_use <= PHASES
    ):
        raise Invalid("A phase can be chosen with one phase only.", field=f"{place}/phase_to_use")


def _fitted(schedule: Schedule, abilities: Abilities) -> tuple[Schedule, str]:
    allowed = abilities.rate_units
    if not allowed or schedule.rate_unit in allowed:
        return schedule, ""
    unit = allowed[0]
    periods = tuple(_in_unit(period, schedule.rate_unit, unit) for period in schedule.periods)
    lowest = schedule.min_charging_rate
    fitting = replace(
        schedule,
        rate_unit=unit,
        periods=periods,
        min_charging_rate=None if lowest is None else in_unit(lowest, schedule.rate_unit, unit, None),
    )
    return fitting, _note(schedule, periods[0], unit)


def _in_unit(period: Period, of: str, unit: str) -> Period:
    rates: dict[str, Any] = {name: getattr(period, name) for name in RATES}
    reckoned: dict[str, Any] = {
        name: in_unit(value, of, unit, period.number_phases)
        for name, value in rates.items()
        if value is not None
    }
    return replace(period, **reckoned)


def _note(schedule: Schedule, first: Period, unit: str) -> str:
    before = schedule.periods[0]
    phases = before.number_phases or PHASES
    return (
        f"The station takes {unit} only: {before.limit} {schedule.rate_unit} became {first.limit} {unit}, "
        f"reckoned with {phases} phase{'s' if phases > 1 else ''} at {VOLTAGE_V} V."
    )
