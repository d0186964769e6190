"""What is priced: a session as it was metered, or as a charge detail record says it.

Plain values without Django. What cannot be priced without a guess raises :class:`CannotPrice` (T-15).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from core.errors import DomainError

KWH_DIGITS = 3


class CannotPrice(DomainError):
    """The measurements contradict themselves or lack what the tariff needs; ``code`` names how."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class State(StrEnum):
    """What a session does, and so what its time counts as (T-23).

    ``LAPSED``: its reservation is over, and it has not begun; this belongs to neither.
    """

    RESERVED = "reserved"
    LAPSED = "lapsed"
    CONNECTED = "connected"
    CHARGING = "charging"
    SUSPENDED_EV = "suspended_ev"
    SUSPENDED_EVSE = "suspended_evse"


OCPP_STATES: Mapping[str, State] = {
    "Charging": State.CHARGING,
    "SuspendedEV": State.SUSPENDED_EV,
    "SuspendedEVSE": State.SUSPENDED_EVSE,
    "EVConnected": State.CONNECTED,
    "Idle": State.CONNECTED,
    "Preparing": State.CONNECTED,
    "Finishing": State.SUSPENDED_EV,
}


def state_of(word: str, *, held_back: bool = False) -> State | None:
    """What a station's word means; ``held_back`` when our own limit is below what a car can take.

    ``None`` is no news: the last known state goes on. Waiting that we caused is never charged for.
    """
    state = OCPP_STATES.get(word)
    if held_back and state in (State.CHARGING, State.SUSPENDED_EV, State.CONNECTED):
        return State.SUSPENDED_EVSE
    return state


@dataclass(frozen=True, slots=True)
class Sample:
    """What was known at one instant. ``None`` means not reported, never zero.

    ``register_kwh`` is the meter's register, ``current_a`` the sum of the phases.
    """

    at: datetime
    register_kwh: Decimal | None = None
    power_kw: Decimal | None = None
    current_a: Decimal | None = None
    state: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """A session from its readings, in order of time; it begins at the first one.

    ``end`` is when the transaction ended, or now for a running one. ``discharges`` says that the register
    is a balance of both directions (V2G) and may fall.
    """

    samples: tuple[Sample, ...]
    end: datetime
    discharges: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPeriod:
    """One charging period of a charge detail record; it ends where the next one starts.

    ``hours`` are those of TIME, PARKING_TIME and RESERVATION_TIME; absent means not stated.
    """

    start: datetime
    energy_kwh: Decimal | None = None
    time_h: Decimal | None = None
    parking_h: Decimal | None = None
    reservation_h: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A session as a charge detail record says it. It is not cut again (T-14)."""

    start: datetime
    end: datetime
    periods: tuple[RecordedPeriod, ...]


Session = Metered | Recorded


class Counted(StrEnum):
    """What a line of a price counts; the time and the fee of a reservation are apart (T-53)."""

    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    FLAT = "FLAT"
    RESERVATION_TIME = "RESERVATION_TIME"
    RESERVATION_FLAT = "RESERVATION_FLAT"
    LIMIT = "LIMIT"


class Conditions(NamedTuple):
    """What restrictions are compared with: the start of a period (T-07)."""

    local: datetime
    elapsed_s: Fraction = Fraction(0)
    kwh: Fraction = Fraction(0)
    min_power: Decimal | Fraction | None = None
    max_power: Decimal | Fraction | None = None
    min_current: Decimal | Fraction | None = None
    max_current: Decimal | Fraction | None = None


class Period(NamedTuple):
    """A stretch in which no component changes. Volumes are exact: kWh and hours."""

    start: datetime
    end: datetime
    conditions: Conditions
    volumes: Mapping[Counted, Fraction]

    @property
    def only_reserved(self) -> bool:
        """Whether it belongs to a reservation alone, which ordinary elements never price (T-09)."""
        return Counted.RESERVATION_TIME in self.volumes and not any(
            volume for counted, volume in self.volumes.items() if counted is not Counted.RESERVATION_TIME
        )
