"""What a car takes and what the meter counts. Whole watts and milliseconds keep it exact."""

from dataclasses import dataclass

RAMP_SECONDS = 20
STEP_MS = 5_000
MILLIJOULES_PER_WH = 3_600_000
CHARGING_EFFICIENCY = 0.93
FLOOR_SHARE = 0.06


@dataclass(slots=True)
class Vehicle:
    """A car: ``soc`` and the limits are shares of its capacity, from 0 to 1."""

    capacity_wh: int = 60_000
    soc: float = 0.35
    max_power_w: int = 11_000
    taper_from: float = 0.8
    target_soc: float = 1.0
    paused: bool = False

    def accepts_w(self) -> int:
        """The power the car asks for: constant, from ``taper_from`` on falling, nothing when full."""
        if self.paused or self.is_full:
            return 0
        if self.soc <= self.taper_from:
            return self.max_power_w
        left = (1.0 - self.soc) / (1.0 - self.taper_from)
        return round(self.max_power_w * max(FLOOR_SHARE, left))

    @property
    def is_full(self) -> bool:
        return self.soc >= self.target_soc

    def take(self, millijoules: int) -> None:
        self.soc = min(
            1.0, self.soc + CHARGING_EFFICIENCY * millijoules / MILLIJOULES_PER_WH / self.capacity_wh
        )


@dataclass(slots=True)
class EnergyMeter:
    """A register that never runs back: whole Wh outside, millijoules inside."""

    millijoules: int = 0

    @classmethod
    def showing(cls, energy_wh: int) -> "EnergyMeter":
        return cls(energy_wh * MILLIJOULES_PER_WH)

    @property
    def register_wh(self) -> int:
        return self.millijoules // MILLIJOULES_PER_WH

    def count(self, millijoules: int) -> None:
        self.millijoules += millijoules


def ramp(power_w: int, target_w: int, rated_w: int, milliseconds: int) -> int:
    """The power after a step: it rises by the rated power in 20 s at most, and falls at once."""
    if target_w <= power_w:
        return target_w
    return min(target_w, power_w + rated_w * milliseconds // (RAMP_SECONDS * 1000))
