"""Days of agreements: those of their place, in years that can be counted with (billing B-52, B-53)."""

from datetime import date
from zoneinfo import ZoneInfo

from core import clock
from core.errors import Invalid
from stations.models import ChargingStation, Site

FIRST, LAST = date(2000, 1, 1), date(2199, 12, 31)


def check(valid_from: date, valid_to: date | None) -> None:
    """Raises :class:`Invalid` for days that can be none of an agreement."""
    check_day(valid_from, "valid_from")
    if valid_to is None:
        return
    check_day(valid_to, "valid_to")
    if valid_to < valid_from:
        raise Invalid("An agreement ends no earlier than it begins.", field="valid_to")


def check_day(day: date, field: str) -> None:
    """Raises :class:`Invalid` for a day that is out of all reason."""
    if not FIRST <= day <= LAST:
        raise Invalid("A day of an agreement is in the years 2000 to 2199.", field=field)


def today_at(place: Site | ChargingStation) -> date:
    """The day that it is where the place is."""
    site = place if isinstance(place, Site) else place.site
    return clock.now().astimezone(ZoneInfo(site.time_zone)).date()
