"""One EVSE with its connector: what is plugged in, what flows, what the meter shows."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from portal.simulator.battery import STEP_MS, EnergyMeter, Vehicle, ramp

MILLISECOND = timedelta(milliseconds=1)
AC_VOLTS = 230.0
DC_EMPTY_VOLTS = 340.0
DC_SWING_VOLTS = 70.0
CABIN_CELSIUS = 21.0

Phases = Literal[1, 3]


class OutletState(StrEnum):
    """The states of 1.6; 2.x knows fewer."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class StopReason(StrEnum):
    """Why a transaction ended, in words of our own; each dialect has its table."""

    LOCAL = "local"
    REMOTE = "remote"
    EV_FULL = "ev full"
    EV_LEFT = "ev left"
    EMERGENCY_STOP = "emergency stop"
    POWER_LOSS = "power loss"
    RESET = "reset"
    FORCED_RESET = "forced reset"
    REFUSED = "refused"
    UNLOCKED = "unlocked"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Reading:
    """The meter at one instant. Lists have one entry per phase; DC has one."""

    at: datetime
    energy_wh: int
    power_w: int
    offered_w: int
    current_a: tuple[float, ...]
    voltage_v: tuple[float, ...]
    temperature_c: float
    soc_percent: float | None
    phases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reservation:
    """Kept free for one token until a time; ``number`` is the CSMS's name for it."""

    number: int
    token: str
    expires_at: datetime


@dataclass(slots=True, eq=False)
class Transaction:
    """What physically happened, for comparison with what the CSMS has stored."""

    outlet: "Outlet"
    token: str
    started_at: datetime
    meter_start_wh: int
    id: int | str | None = None
    stopped_at: datetime | None = None
    meter_stop_wh: int | None = None
    stop_reason: StopReason | None = None
    remote_start_id: int | None = None
    reservation_id: int | None = None
    accepted: bool | None = None
    released: bool = True
    seq_no: int = 0
    state_told: OutletState | None = None
    begin: Reading | None = None
    next_sample_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.stopped_at is None

    @property
    def energy_wh(self) -> int:
        """Delivered so far, or in all once it has ended."""
        end = self.outlet.meter.register_wh if self.meter_stop_wh is None else self.meter_stop_wh
        return end - self.meter_start_wh


@dataclass(frozen=True, slots=True)
class Lost:
    """A transaction that ran when the simulator last ended without a word, as far as anybody knows of it."""

    outlet: int
    id: int | str
    token: str
    started_at: datetime
    ended_at: datetime
    meter_start_wh: int
    seq_no: int


@dataclass(slots=True, eq=False)
class Outlet:
    """``number`` is the connector of 1.6 and the EVSE of 2.x (its connector is 1)."""

    number: int = 1
    kind: Literal["AC", "DC"] = "AC"
    rated_w: int = 22_000
    phases: Phases = 3
    meter: EnergyMeter = field(default_factory=EnergyMeter)
    vehicle: Vehicle | None = None
    operative: bool = True
    inoperative_next: bool = False
    fault: str = ""
    transaction: Transaction | None = None
    reservation: Reservation | None = None
    finished: bool = False
    limit_w: int | None = None
    power_w: int = 0
    status_told: str = ""
    _advanced_to: datetime | None = None

    @property
    def plugged(self) -> bool:
        return self.vehicle is not None

    @property
    def free(self) -> bool:
        return self.vehicle is None and self.operative and not self.fault

    @property
    def state(self) -> OutletState:
        if self.fault:
            return OutletState.FAULTED
        if self.transaction is not None:
            return self._charging_state()
        if not self.operative:
            return OutletState.UNAVAILABLE
        if self.vehicle is None:
            return OutletState.RESERVED if self.reservation else OutletState.AVAILABLE
        return OutletState.FINISHING if self.finished else OutletState.PREPARING

    def use_reservation(self, token: str) -> int | None:
        """The number of the reservation that the token has here, which is used up by this."""
        kept = self.reservation
        if kept is None or kept.token.upper() != token.upper():
            return None
        self.reservation = None
        return kept.number

    def _charging_state(self) -> OutletState:
        if self.transaction is not None and not self.transaction.released:
            return OutletState.PREPARING
        if self.vehicle is None or self.vehicle.accepts_w() == 0:
            return OutletState.SUSPENDED_EV
        return OutletState.CHARGING if self.offered_w > 0 else OutletState.SUSPENDED_EVSE

    @property
    def offered_w(self) -> int:
        return self.rated_w if self.limit_w is None else max(0, min(self.rated_w, self.limit_w))

    def advance(self, now: datetime) -> None:
        """Let energy flow from the last look until ``now``."""
        since, self._advanced_to = self._advanced_to or now, now
        left = max(0, (now - since) // MILLISECOND)
        while left > 0:
            target = self._target_w()
            if target == 0 and self.power_w == 0:
                return
            step = min(left, STEP_MS)
            self._flow(target, step)
            left -= step

    def reading(self, now: datetime) -> Reading:
        self.advance(now)
        volts = self._volts(now)
        loads = self._loads(len(volts))
        return Reading(
            at=now,
            energy_wh=self.meter.register_wh,
            power_w=self.power_w,
            offered_w=self.offered_w,
            current_a=tuple(round(load / volt, 1) for load, volt in zip(loads, volts, strict=True)),
            voltage_v=volts,
            temperature_c=round(CABIN_CELSIUS + 18 * self.power_w / self.rated_w, 1),
            soc_percent=self._shown_soc(),
            phases=("L1", "L2", "L3")[: len(volts)] if self.kind == "AC" else (),
        )

    def switch_off(self, now: datetime) -> None:
        self.advance(now)
        self.power_w = 0

    def _target_w(self) -> int:
        if self.transaction is None or not self.transaction.released or self.vehicle is None or self.fault:
            return 0
        return min(self.vehicle.accepts_w(), self.offered_w)

    def _flow(self, target_w: int, milliseconds: int) -> None:
        power = ramp(self.power_w, target_w, self.rated_w, milliseconds)
        energy = (min(self.power_w, power) + power) * milliseconds // 2
        self.power_w = power
        self.meter.count(energy)
        if self.vehicle is not None:
            self.vehicle.take(energy)

    def _loads(self, parts: int) -> list[float]:
        return [self.power_w / parts] * parts

    def _volts(self, now: datetime) -> tuple[float, ...]:
        wobble = (now.second % 7) * 0.3
        if self.kind == "DC":
            soc = self.vehicle.soc if self.vehicle else 0.0
            return (round(DC_EMPTY_VOLTS + DC_SWING_VOLTS * soc, 1),)
        drop = 2.0 * self.power_w / self.rated_w
        return tuple(round(AC_VOLTS + wobble - drop + 0.4 * phase, 1) for phase in range(self.phases))

    def _shown_soc(self) -> float | None:
        if self.kind == "AC" or self.vehicle is None:
            return None
        return round(100 * self.vehicle.soc, 1)
