"""The price that 1.6 stations show while nobody is there: their keys of the cost extension are kept true (T-45).

A key is written where what the station last took says something else, and again at most every ``AGAIN_AFTER``
where it refuses or forgets. Where outlets have tariffs of their own no price is the station's: what it shows of ours
is emptied.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
from django.conf import settings
from django.utils import translation

from core import turns
from stations.domain.intents import SetVariables, VariableItem
from stations.domain.station import StationRef
from stations.models import ChargingStation, Command, TariffAssignment, Variable
from stations.services import cost_displays
from stations.services.cost_displays import ACTOR, PriceText
from tariffs import present, text
from tariffs.usage import Conditions

PRICE = "DefaultPrice"
PRICE_TEXT = "DefaultPriceText"
LANGUAGES = "CustomMultiLanguageMessages"
NOTHING = '{"priceText":""}'
VALUE_MAX = 500
"""What ChangeConfiguration of OCPP 1.6 takes."""
AT_ONCE = 100
AGAIN_AFTER = timedelta(hours=1)


def keep(now: datetime) -> int:
    """Write what has changed to stations that are connected; answers with how many keys were written."""
    return turns.through(
        _showing, lambda rows: sum(turns.guarded(one.pk, partial(_kept, one, now)) for one in rows)
    )


def _showing(done: set[Any]) -> Sequence[ChargingStation]:
    """In no order, so that none always comes last where there are more than a turn can look at."""
    shows = Variable.objects.filter(cost_displays.KEY, value__in=cost_displays.YES, attribute="Actual")
    rows = ChargingStation.objects.filter(
        pk__in=shows.values("station"),
        presence__connected=True,
        presence__ocpp_version="1.6",
        enabled=True,
        retired_at=None,
    )
    return list(rows.exclude(pk__in=done).select_related("site").order_by("?")[:AT_ONCE])


def _kept(station: ChargingStation, now: datetime) -> int:
    known = {
        name.lower(): value
        for name, value in Variable.objects.filter(
            station=station, component="", attribute="Actual"
        ).values_list("variable", "value")
    }
    many = known.get(LANGUAGES.lower()) in cost_displays.YES
    count = 0
    wanted = _wanted(station, now, many) or _emptied(station, known)
    for key, body in wanted.items():
        said = orjson.loads(known.get(key.lower()) or "null") if _is_json(known.get(key.lower())) else None
        if said != orjson.loads(body) and not _just_tried(station, key, body, now):
            item = VariableItem(component="", variable=key, value=body)
            count += cost_displays.issue(station.pk, SetVariables(items=(item,)))
    return count


def _wanted(station: ChargingStation, now: datetime, many: bool) -> dict[str, str]:
    """The keys with their values; none where no price is that of the whole station."""
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    told = cost_displays.price_text(side)
    if told is None:
        return {}
    prices = present.prices_at(told.tariff, Conditions(local=now.astimezone(told.zone)))
    figures = {"chargingPrice": cost_displays.charging_price(prices)}
    wanted = {PRICE: _fitting(told, now, told.language, figures)}
    for code, _name in settings.LANGUAGES if many else ():
        wanted[f"{PRICE_TEXT},{code}"] = _fitting(told, now, code, {})
    return wanted


def _emptied(station: ChargingStation, known: Mapping[str, str | None]) -> dict[str, str]:
    """What it still shows of a price that holds no more, where the organization's prices are tariffs of ours."""
    mine = {PRICE, *(f"{PRICE_TEXT},{code}" for code, _name in settings.LANGUAGES)}
    shown = {key for key in mine if known.get(key.lower()) not in (None, "", NOTHING)}
    if not shown or not TariffAssignment.objects.filter(organization=station.organization_id).exists():
        return {}
    return dict.fromkeys(sorted(shown), NOTHING)


def _fitting(told: PriceText, now: datetime, language: str, more: Mapping[str, Any]) -> str:
    """Whole sentences; they hold without a connection too, and are said for that where they fit twice."""
    with translation.override(language):
        sentences = text.describe(told.tariff, zone=told.zone, at=now)
        body = ""
        for most in range(VALUE_MAX, 0, -50):
            words = text.fitted(sentences, more_at=told.tariff.alt_url, most=most)
            body = orjson.dumps({"priceText": words, **more}).decode()
            twice = orjson.dumps({"priceText": words, "priceTextOffline": words, **more}).decode()
            if len(twice) <= VALUE_MAX:
                return twice
            if len(body) <= VALUE_MAX:
                return body
    return body


def _is_json(value: str | None) -> bool:
    try:
        orjson.loads(value or "")
    except orjson.JSONDecodeError:
        return False
    return True


def _just_tried(station: ChargingStation, key: str, body: str, now: datetime) -> bool:
    tried = Command.objects.filter(
        station=station, command=SetVariables.name, issued_by=ACTOR.label, issued_at__gt=now - AGAIN_AFTER
    )
    return tried.filter(
        parameters__items__contains=[{"variable": key, "value": body}],
    ).exists()
