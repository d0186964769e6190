"""The profile that answers what a car asks for (2.0.1 K15): what car and EVSE can do, until the departure."""

from datetime import datetime, timedelta
from decimal import Decimal

from stations.domain.charging_rules import PHASES, VOLTAGE_V, Abilities, tenth
from stations.domain.smart_charging import ChargingProfile, Kind, NeedsNotified, Period, Purpose, Schedule

LONGEST_S = 86_400
SHORTEST_S = 60
PHASES_OF = {"AC_single_phase": 1, "AC_two_phase": 2}
DYNAMIC = "dynamic_control"


def profile_for(
    needs: NeedsNotified, rated_w: int | None, abilities: Abilities, now: datetime
) -> ChargingProfile | None:
    """A tx_profile within the needs and the rating; ``None`` where neither says anything."""
    dynamic = needs.control_mode == DYNAMIC
    current = needs.energy_transfer.startswith("DC")
    unit = _unit(abilities, direct_current=current)
    limit = _direct(needs, rated_w, unit) if current else _alternating(needs, rated_w, unit)
    if limit is None:
        return None
    phases = None if current else PHASES_OF.get(needs.energy_transfer, PHASES)
    begin = now.replace(microsecond=0)
    schedule = Schedule(
        rate_unit=unit,
        periods=(Period(start_s=0, limit=tenth(limit), number_phases=phases),),
        start_schedule=None if dynamic else begin,
        duration_s=None if dynamic else duration_s(needs.departure_at, begin),
    )
    kind = Kind.DYNAMIC if dynamic else Kind.ABSOLUTE
    return ChargingProfile(purpose=Purpose.TX, kind=kind, schedules=(schedule,))


def duration_s(departure_at: datetime | None, begin: datetime) -> int:
    """Seconds until the departure; a day where the car did not say, or said a time that is over."""
    if departure_at is None or departure_at < begin + timedelta(seconds=SHORTEST_S):
        return LONGEST_S
    return int((departure_at - begin).total_seconds())


def _unit(abilities: Abilities, *, direct_current: bool) -> str:
    usual = "W" if direct_current else "A"
    return usual if not abilities.rate_units or usual in abilities.rate_units else abilities.rate_units[0]


def _alternating(needs: NeedsNotified, rated_w: int | None, unit: str) -> Decimal | None:
    """In A for each phase, or W over the phases that the car uses."""
    factor = Decimal(VOLTAGE_V * PHASES_OF.get(needs.energy_transfer, PHASES))
    currents = [needs.max_current_a, needs.max_power_w / factor if needs.max_power_w else None]
    # What an EVSE is rated for is spread over all its phases, however many the car uses.
    currents.append(Decimal(rated_w) / (VOLTAGE_V * PHASES) if rated_w else None)
    limit = _lowest(currents)
    return limit if limit is None or unit == "A" else limit * factor


def _direct(needs: NeedsNotified, rated_w: int | None, unit: str) -> Decimal | None:
    """In W, or A at the voltage that the car names."""
    voltage = needs.max_voltage_v
    by_current = needs.max_current_a * voltage if needs.max_current_a and voltage else None
    power = _lowest([needs.max_power_w, by_current, Decimal(rated_w) if rated_w else None])
    if unit == "W":
        return power
    current = power / voltage if power and voltage else None
    return _lowest([needs.max_current_a, current])


def _lowest(values: list[Decimal | None]) -> Decimal | None:
    return min((value for value in values if value is not None and value > 0), default=None)
