"""The price card: the sentences of the tariff in force, what does not apply, and an example (driver section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from drivers.models import Driver
from portal.plugs import name as name_of_plug
from stations.models import Connector, Evse
from stations.models.frozen_tariffs import Level
from stations.services import tariff_choice
from stations.services.session_costs import parsed
from tariffs import pricing, text
from tariffs.structure import Dimension, Tariff, TariffType
from tariffs.usage import CannotPrice, Metered, Sample, State

EXAMPLE_KWH = Decimal(30)
USUAL_W = 11_000


@dataclass(frozen=True, slots=True)
class Card:
    """What charging costs here now, taxes included; ``example`` is empty where it cannot be reckoned.

    ``plug`` names the connector where it depends on that; ``contract``: the driver has this price everywhere.
    """

    sentences: tuple[str, ...]
    example: str
    plug: str = ""
    contract: bool = False


def cards_of(evse: Evse, at: datetime, driver: Driver | None = None) -> list[Card]:
    """The prices for cards and accounts, one for each connector that has its own; none without a tariff."""
    return cards_of_each([(evse, driver)], at)[0]


def cards_of_each(asked: Sequence[tuple[Evse, Driver | None]], at: datetime) -> list[list[Card]]:
    """What :func:`cards_of` tells of each, in their order; found by one query however many they are."""
    plugs = [list(evse.connectors.all()) for evse, _driver in asked]
    places = [
        [_place(evse, plug.connector_id, driver) for plug in own] or [_place(evse, None, driver)]
        for (evse, driver), own in zip(asked, plugs, strict=True)
    ]
    wanted = [(place, TariffType.REGULAR) for some in places for place in some]
    found = iter(tariff_choice.applicable_at(wanted, at))
    return [
        _cards(evse, own, [*islice(found, len(some))], at)
        for (evse, _driver), own, some in zip(asked, plugs, places, strict=True)
    ]


def _cards(
    evse: Evse, plugs: Sequence[Connector], found: Sequence[tariff_choice.Applicable | None], at: datetime
) -> list[Card]:
    if len({one and one.version_id for one in found}) == 1:
        return [_card(found[0], evse, at)] if found[0] else []
    named = zip(found, plugs, strict=True)
    return [_card(one, evse, at, name_of_plug(plug.type)) for one, plug in named if one]


def _place(evse: Evse, connector_id: int | None, driver: Driver | None) -> tariff_choice.Place:
    station = evse.station
    return tariff_choice.Place(
        station.organization_id,
        station.site_id,
        station.pk,
        evse.pk,
        connector_id,
        driver.pk if driver else None,
    )


def _card(found: tariff_choice.Applicable, evse: Evse, at: datetime, plug: str = "") -> Card:
    tariff, zone = parsed(found.document), ZoneInfo(evse.station.site.time_zone)
    sentences = _completed(tariff, text.describe(tariff, zone=zone, at=at))
    return Card(sentences, _example(tariff, evse, zone, at), plug, found.level == Level.CONTRACT)


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
