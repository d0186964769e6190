"""What a tariff asks for at one moment of a session, taxes included, for stations that show prices as figures."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from core.money import half_up
from tariffs import taxes
from tariffs.choosing import chooser_of
from tariffs.local_time import boundaries
from tariffs.structure import Tariff
from tariffs.usage import Conditions, Counted

DIGITS = 4
AHEAD = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Per kWh, per hour of charging and of occupancy, and once; ``None`` where nothing is priced."""

    kwh: Decimal | None
    hour: Decimal | None
    idle_hour: Decimal | None
    flat: Decimal | None

    def as_json(self) -> dict[str, str | None]:
        """To be kept and compared."""
        return {name: None if price is None else f"{price:f}" for name, price in asdict(self).items()}


class Grace(NamedTuple):
    """For how many more minutes a car may stand there after charging, and what an hour costs from then on."""

    minutes: int
    idle_hour: Decimal


def prices_at(tariff: Tariff, now: Conditions) -> Prices:
    """The present price of each dimension."""
    chooser = chooser_of(tariff)

    def told(counted: Counted) -> Decimal | None:
        choice = chooser.choose(counted, now)
        if choice is None:
            return None
        rate = taxes.rate_of(tariff, choice.component, {})
        incl = taxes.amount_of(tariff, Fraction(1), choice.component, rate).incl
        return None if incl is None else half_up(incl, DIGITS)

    return Prices(
        kwh=told(Counted.ENERGY),
        hour=told(Counted.TIME),
        idle_hour=told(Counted.PARKING_TIME),
        flat=told(Counted.FLAT),
    )


def next_change(
    tariff: Tariff, now: Conditions, zone: ZoneInfo, at: datetime
) -> tuple[datetime, Prices] | None:
    """When the clock, or the time since the start, next changes a price, and what it is then."""
    present = prices_at(tariff, now)
    walls = [*boundaries([element.restrictions for element in tariff.elements], zone, at, at + AHEAD)]
    walls += [
        at + timedelta(seconds=int(bound - now.elapsed_s))
        for bound in map(Fraction, tariff.thresholds("duration"))
        if now.elapsed_s < bound < now.elapsed_s + AHEAD // timedelta(seconds=1)
    ]
    for instant in sorted(walls):
        elapsed = now.elapsed_s + Fraction((instant - at) // timedelta(seconds=1))
        later = now._replace(local=instant.astimezone(zone), elapsed_s=elapsed)
        then = prices_at(tariff, later)
        if then != present:
            return instant, then
    return None


def grace(tariff: Tariff, now: Conditions) -> Grace | None:
    """Whole minutes until occupancy costs something by the time since the start; ``None`` where it never does."""
    if found := grace_of(prices_at(tariff, now)):
        return found
    for bound in map(Fraction, tariff.thresholds("duration")):
        if bound > now.elapsed_s:
            later = grace_of(prices_at(tariff, now._replace(elapsed_s=bound)))
            if later is not None:
                return Grace(int((bound - now.elapsed_s) // 60), later.idle_hour)
    return None


def grace_of(prices: Prices) -> Grace | None:
    """Where occupancy costs something already there is none."""
    return Grace(0, prices.idle_hour) if prices.idle_hour else None


def next_threshold_kwh(tariff: Tariff, now: Conditions) -> Decimal | None:
    """The energy of the session at which a price may change next."""
    return min((bound for bound in tariff.thresholds("kwh") if Fraction(bound) > now.kwh), default=None)
