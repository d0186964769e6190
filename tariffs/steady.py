"""A session in a person's words: so many kWh in so many minutes, evenly, then parked for so many more."""

from datetime import datetime, timedelta
from decimal import Decimal

from tariffs.usage import Metered, Sample, State

VOLTS = 230


def steady(start: datetime, kwh: Decimal, minutes: int, parked: int = 0) -> Metered:
    """Steady power on one phase; the car takes none while it is parked. ``minutes`` is one at least."""
    full = start + timedelta(minutes=minutes)
    power = kwh * 60 / minutes
    amperes = power * 1000 / VOLTS
    readings = [
        Sample(start, Decimal(0), power, amperes, State.CHARGING),
        Sample(full, kwh, power, amperes, State.SUSPENDED_EV),
    ]
    if parked:
        readings.append(Sample(full + timedelta(seconds=1), kwh, Decimal(0), Decimal(0)))
    return Metered(samples=tuple(readings), end=full + timedelta(minutes=parked))
