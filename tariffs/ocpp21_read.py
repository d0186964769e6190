"""A tariff of OCPP 2.1 as OCPI says it (tariffs T-48). What OCPI has no word for is refused with its field."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from tariffs.pointers import InvalidDocument, Problem

Json = Mapping[str, Any]

ID_MAX = 36
"""Of OCPI; a longer name changes no price and is left out."""
_PRICED: Mapping[str, tuple[str, str, int, bool]] = {
    "energy": ("ENERGY", "priceKwh", 1, False),
    "chargingTime": ("TIME", "priceMinute", 60, False),
    "idleTime": ("PARKING_TIME", "priceMinute", 60, False),
    "fixedFee": ("FLAT", "priceFixed", 1, False),
    "reservationTime": ("TIME", "priceMinute", 60, True),
    "reservationFixed": ("FLAT", "priceFixed", 1, True),
}
"""The group's dimension, the name of its price, how often that is in OCPI's unit, and whether it reserves."""
_WORDS: Mapping[str, str] = {
    "startTimeOfDay": "start_time",
    "endTimeOfDay": "end_time",
    "validFromDate": "start_date",
    "validToDate": "end_date",
}
_AMOUNTS: Mapping[str, tuple[str, int]] = {
    "Energy": ("kwh", 1000), "Power": ("power", 1000), "Current": ("current", 1), "Time": ("duration", 1),
}  # fmt: skip
_BOUNDS = {f"{side}{name}": (side, *to) for side in ("min", "max") for name, to in _AMOUNTS.items()}


def convert(told: Json) -> dict[str, Any]:
    """The OCPI tariff that says the same. Raises :class:`tariffs.pointers.InvalidDocument` naming each field."""
    wrong = list(_refusals(told))
    if wrong:
        raise InvalidDocument(wrong)
    document: dict[str, Any] = {"currency": told["currency"], "elements": []}
    if len(told["tariffId"]) <= ID_MAX:
        document["id"] = told["tariffId"]
    for name in _PRICED:
        group = told.get(name) or {}
        document["elements"] += [_element(name, price, group) for price in group.get("prices", ())]
    for name, limit in (("minCost", "min_price"), ("maxCost", "max_price")):
        if name in told:
            document[limit] = _limit(told[name])
    if "validFrom" in told:
        document["start_date_time"] = told["validFrom"]
    return document


def _refusals(told: Json) -> Iterator[Problem]:
    known = {*_WORDS, *_BOUNDS, "dayOfWeek"}
    for name in _PRICED:
        group = told.get(name) or {}
        taxes = group.get("taxRates", ())
        if len(taxes) > 1 or any(one.get("stack") for one in taxes):
            yield Problem(f"/{name}/taxRates", _("OCPI has one rate of VAT and no taxes on taxes."))
        for number, price in enumerate(group.get("prices", ())):
            for field in sorted((price.get("conditions") or {}).keys() - known):
                yield Problem(f"/{name}/prices/{number}/conditions/{field}", _("OCPI has no such condition."))


def _element(name: str, price: Json, group: Json) -> dict[str, Any]:
    dimension, priced, times, reserves = _PRICED[name]
    component = {"type": dimension, "price": _exact(price[priced]) * times, "step_size": 0}
    for tax in group.get("taxRates", ()):
        component["vat"] = _exact(tax["tax"])
    rules = _restrictions(price.get("conditions") or {})
    if reserves:
        rules["reservation"] = "RESERVATION"
    return {"price_components": [component], **({"restrictions": rules} if rules else {})}


def _restrictions(conditions: Json) -> dict[str, Any]:
    rules = {_WORDS[name]: value for name, value in conditions.items() if name in _WORDS}
    if "dayOfWeek" in conditions:
        rules["day_of_week"] = [day.upper() for day in conditions["dayOfWeek"]]
    for name, value in conditions.items():
        if name in _BOUNDS:
            side, quantity, parts = _BOUNDS[name]
            rules[f"{side}_{quantity}"] = value if quantity == "duration" else _exact(value) / parts
    return rules


def _limit(limit: Json) -> dict[str, Decimal]:
    sides = {"excl_vat": limit.get("exclTax"), "incl_vat": limit.get("inclTax")}
    return {name: _exact(value) for name, value in sides.items() if value is not None}


def _exact(value: Any) -> Decimal:
    return Decimal(str(value))
