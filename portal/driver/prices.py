"""The price card: the sentences of the tariff in force, what does not apply, and an example (driver section 4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from stations.models import Evse
from stations.services import tariffs
from stations.services.session_costs import parsed
from tariffs import pricing, text
from tariffs.structure import Dimension, Tariff
from tariffs.usage import CannotPrice, Metered, Sample, State

EXAMPLE_KWH = Decimal(30)
USUAL_W = 11_000


@dataclass(frozen=True, slots=True)
class Card:
    """What charging costs here now, taxes included; ``example`` is empty where it cannot be reckoned."""

    sentences: tuple[str, ...]
    example: str


def card_of(evse: Evse, at: datetime) -> Card | None:
    """The price for cards and accounts; ``None`` where no tariff is in force."""
    site = evse.station.site
    place = tariffs.Place(evse.station.organization_id, site.pk, evse.station_id, evse.pk)
    found = tariffs.applicable(place, at)
    if found is None:
        return None
    tariff, zone = parsed(found.document), ZoneInfo(site.time_zone)
    sentences = _completed(tariff, text.describe(tariff, zone=zone, at=at))
    return Card(sentences, _example(tariff, evse, zone, at))


def power_w(evse: Evse) -> int | None:
    """The most that the EVSE gives, as far as it is known."""
    known = [one.max_power_w for one in evse.connectors.all() if one.max_power_w]
    return max(known, default=evse.station.max_power_w)


def _completed(tariff: Tariff, sentences: tuple[str, ...]) -> tuple[str, ...]:
    """Parts that do not apply are named all the same, each in its place."""
    priced = {component.dimension for _element, _place, component in tariff.components() if component.price}
    if not priced:
        return sentences
    told = list(sentences)
    before = _("Per session: %(price)s") % {"price": ""}
    if not priced & {Dimension.TIME, Dimension.PARKING_TIME}:
        place = next((n for n, one in enumerate(told) if one.startswith(before)), len(told))
        told.insert(place, _("Per minute: none."))
    if Dimension.FLAT not in priced:
        told.append(_("Per session: none."))
    return tuple(told)


def _example(tariff: Tariff, evse: Evse, zone: ZoneInfo, at: datetime) -> str:
    kw = Decimal(power_w(evse) or USUAL_W) / 1000
    minutes = max(1, round(EXAMPLE_KWH / kw * 60))
    end = at + timedelta(minutes=minutes)
    samples = (
        Sample(at, Decimal(0), kw, None, State.CHARGING),
        Sample(end, EXAMPLE_KWH, kw, None, State.CHARGING),
    )
    try:
        paid = pricing.price(tariff, Metered(samples=samples, end=end), zone=zone).payable.incl
    except CannotPrice:
        return ""
    if paid is None:
        return ""
    amount = text.amount(Fraction(paid.amount), tariff.currency)
    values = {"kwh": text.number(EXAMPLE_KWH), "minutes": minutes, "amount": amount}
    return _("Example: %(kwh)s kWh in %(minutes)s min cost %(amount)s.") % values
