"""Charging profiles in the terms of OCPP 2.0.1 and 2.1, from which every version's messages are made.

A limit, setpoint or rate counts in the unit of its schedule (``rate_unit``: A for each phase, or W). All words
are OCPP's in snake case.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from core.errors import Invalid
from stations.domain.reading import read

Json = Mapping[str, Any]

CSO = "CSO"
"""The source of what we sent, as stations report it; others are EMS, SO and Other, on 2.1 any word."""


class Purpose(StrEnum):
    """What a profile is for."""

    STATION_MAX = "charging_station_max_profile"
    TX_DEFAULT = "tx_default_profile"
    TX = "tx_profile"
    EXTERNAL = "charging_station_external_constraints"
    PRIORITY = "priority_charging"
    LOCAL_GENERATION = "local_generation"


class Kind(StrEnum):
    """What the times of a profile count from."""

    ABSOLUTE = "absolute"
    RECURRING = "recurring"
    RELATIVE = "relative"
    DYNAMIC = "dynamic"


RECURRENCIES = ("daily", "weekly")
RATE_UNITS = ("A", "W")
OPERATION_MODES = (
    "idle",
    "charging_only",
    "central_setpoint",
    "external_setpoint",
    "external_limits",
    "central_frequency",
    "local_frequency",
    "local_load_balancing",
)
ENERGY_TRANSFERS = (
    "AC_single_phase",
    "AC_two_phase",
    "AC_three_phase",
    "DC",
    "AC_BPT",
    "AC_BPT_DER",
    "AC_DER",
    "DC_BPT",
    "DC_ACDP",
    "DC_ACDP_BPT",
    "WPT",
)
"""OCPP's own spelling, which no rule could restore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyPoint:
    """Power at a frequency of the grid."""

    frequency: Decimal
    power: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPoint:
    """Power at an aFRR signal."""

    signal: int
    power: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What holds from ``start_s`` seconds into the schedule until the next period."""

    start_s: int
    limit: Decimal | None = None
    limit_l2: Decimal | None = None
    limit_l3: Decimal | None = None
    number_phases: int | None = None
    phase_to_use: int | None = None
    discharge_limit: Decimal | None = None
    discharge_limit_l2: Decimal | None = None
    discharge_limit_l3: Decimal | None = None
    setpoint: Decimal | None = None
    setpoint_l2: Decimal | None = None
    setpoint_l3: Decimal | None = None
    setpoint_reactive: Decimal | None = None
    setpoint_reactive_l2: Decimal | None = None
    setpoint_reactive_l3: Decimal | None = None
    preconditioning_request: bool | None = None
    evse_sleep: bool | None = None
    v2x_baseline: Decimal | None = None
    operation_mode: str | None = None
    v2x_freq_watt_curve: tuple[FrequencyPoint, ...] | None = None
    v2x_signal_watt_curve: tuple[SignalPoint, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SocLimit:
    """The limit from a state of charge on."""

    soc: int
    limit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A curve of limits. Prices for the car are kept as they stand in OCPP."""

    rate_unit: str
    periods: tuple[Period, ...]
    id: int | None = None
    start_schedule: datetime | None = None
    duration_s: int | None = None
    min_charging_rate: Decimal | None = None
    limit_at_soc: SocLimit | None = None
    power_tolerance: Decimal | None = None
    use_local_time: bool | None = None
    randomized_delay_s: int | None = None
    sales_tariff: Json | None = None
    absolute_price_schedule: Json | None = None
    price_level_schedule: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingProfile:
    """Up to three schedules with their purpose. ``transaction_reference`` is the station's name for a session."""

    purpose: str
    kind: str
    schedules: tuple[Schedule, ...]
    stack_level: int = 0
    id: int | None = None
    recurrency: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    transaction_reference: str | None = None
    max_offline_duration_s: int | None = None
    invalid_after_offline_duration: bool | None = None
    dyn_update_interval_s: int | None = None
    dyn_update_time: datetime | None = None

    @property
    def number(self) -> int:
        """The chargingProfileId. A profile without one was never completed."""
        if self.id is None:
            raise Invalid("The profile has no number yet.", field="charging_profile/id")
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleUpdate:
    """New figures of a dynamic profile's one period; what is left out stays."""

    limit: Decimal | None = None
    limit_l2: Decimal | None = None
    limit_l3: Decimal | None = None
    discharge_limit: Decimal | None = None
    discharge_limit_l2: Decimal | None = None
    discharge_limit_l3: Decimal | None = None
    setpoint: Decimal | None = None
    setpoint_l2: Decimal | None = None
    setpoint_l3: Decimal | None = None
    setpoint_reactive: Decimal | None = None
    setpoint_reactive_l2: Decimal | None = None
    setpoint_reactive_l3: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFilter:
    """Which profiles are meant; what is not given does not narrow."""

    ids: tuple[int, ...] = ()
    evse_id: int | None = None
    purpose: str | None = None
    stack_level: int | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilesReported:
    """One part of the answer to GetChargingProfiles (2.0.1 K09)."""

    request_id: int
    evse_id: int
    source: str
    profiles: tuple[ChargingProfile, ...]
    to_be_continued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitNotified:
    """Somebody else limits the station or an EVSE (0 is the station; 2.0.1 K12)."""

    evse_id: int
    source: str
    schedules: tuple[Schedule, ...] = ()
    grid_critical: bool | None = None
    local_generation: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCleared:
    """Such a limit is over (K13); no EVSE means the station with all of its EVSEs."""

    source: str
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsNotified:
    """What the car asks for (2.0.1 K15, K17). ``details`` holds every figure by its name in snake case."""

    evse_id: int
    energy_transfer: str
    departure_at: datetime | None = None
    energy_wh: Decimal | None = None
    soc_percent: int | None = None
    target_soc_percent: int | None = None
    min_current_a: Decimal | None = None
    max_current_a: Decimal | None = None
    max_voltage_v: Decimal | None = None
    max_power_w: Decimal | None = None
    max_schedule_tuples: int | None = None
    control_mode: str = ""
    details: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarScheduleNotified:
    """What the car is going to take (K15.FR.10); ``selected`` names the schedule of ours that it follows."""

    evse_id: int
    time_base: datetime
    schedule: Schedule
    selected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeReported:
    """What the station makes of all its profiles (K08). Without periods it has none (P253)."""

    evse_id: int
    starts_at: datetime | None = None
    duration_s: int | None = None
    rate_unit: str = ""
    periods: tuple[Period, ...] = ()


def to_json(thing: Any) -> dict[str, Any]:
    """A profile, schedule or period as kept and shown: what is absent is left out."""
    plain: dict[str, Any] = _bare(asdict(thing))
    return plain


def profile_of(content: Json) -> ChargingProfile:
    """The profile that :func:`to_json` kept, or that a person wrote. Raises :class:`Invalid` naming the field."""
    return read(ChargingProfile, content, "charging_profile")


def needs_of(content: Json) -> NeedsNotified:
    """The needs that :func:`to_json` kept."""
    return read(NeedsNotified, content, "needs")


def schedule_of(content: Json) -> Schedule:
    """The schedule that :func:`to_json` kept."""
    return read(Schedule, content, "schedule")


def periods_of(content: Iterable[Json]) -> tuple[Period, ...]:
    """The periods that :func:`to_json` kept one by one."""
    return tuple(read(Period, one, "periods") for one in content)


def update_of(content: Json) -> ScheduleUpdate:
    """New figures as a person wrote them. Raises :class:`Invalid` naming the field."""
    return read(ScheduleUpdate, content, "update")


def _bare(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _bare(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_bare(inner) for inner in value]
    return value
