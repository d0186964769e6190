"""A tariff in the words of OCPP 2.1, every figure the same (tariffs T-47). What has no exact counterpart is refused."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from core.clock import to_wire
from core.money import half_up
from tariffs import ocpp21
from tariffs.pointers import InvalidDocument
from tariffs.structure import WEEKDAYS, Component, Dimension, PriceLimit, Restrictions, Tariff, TaxIncluded

ID_MAX = 60
TAX = "VAT"

_PLACE: Mapping[tuple[Dimension, bool], tuple[str, str]] = {
    (Dimension.ENERGY, False): ("energy", "priceKwh"),
    (Dimension.TIME, False): ("chargingTime", "priceMinute"),
    (Dimension.PARKING_TIME, False): ("idleTime", "priceMinute"),
    (Dimension.FLAT, False): ("fixedFee", "priceFixed"),
    (Dimension.TIME, True): ("reservationTime", "priceMinute"),
    (Dimension.FLAT, True): ("reservationFixed", "priceFixed"),
}


def convert(tariff: Tariff, *, tariff_id: str) -> dict[str, Any]:
    """The TariffType that says the same. Raises :class:`tariffs.pointers.InvalidDocument` naming each field."""
    if wrong := ocpp21.refusals(tariff):
        raise InvalidDocument(wrong)
    told: dict[str, Any] = {"tariffId": tariff_id[:ID_MAX], "currency": tariff.currency}
    for number, _place, component in tariff.components():
        rules = tariff.elements[number].restrictions
        name, price = _PLACE[component.dimension, rules.reservation is not None]
        group = told.setdefault(name, {"prices": [], **_tax_rates(tariff, component)})
        group["prices"].append({price: _figure(_priced(price, component)), **_conditions(rules)})
    for name, limit in (("minCost", tariff.min_price), ("maxCost", tariff.max_price)):
        if limit is not None:
            told[name] = _limit(limit)
    if tariff.start_at is not None:
        told["validFrom"] = to_wire(tariff.start_at)
    return told


def _priced(name: str, component: Component) -> Decimal:
    if name != "priceMinute":
        return component.price
    return half_up(Fraction(component.price) / 60, ocpp21.MINUTE_DECIMALS)


def _tax_rates(tariff: Tariff, component: Component) -> dict[str, Any]:
    if component.vat is None or tariff.tax_included is TaxIncluded.NOT_APPLICABLE:
        return {}
    return {"taxRates": [{"type": TAX, "tax": _figure(component.vat)}]}


def _limit(limit: PriceLimit) -> dict[str, float]:
    sides = {"exclTax": limit.excl, "inclTax": limit.incl}
    return {name: _figure(value) for name, value in sides.items() if value is not None}


_AMOUNTS: Mapping[str, tuple[str, Callable[[Decimal], float | int]]] = {
    "kwh": ("Energy", lambda value: _figure(value * 1000)),
    "power": ("Power", lambda value: _figure(value * 1000)),
    "current": ("Current", lambda value: _figure(value)),
    "duration": ("Time", int),
}


def _conditions(rules: Restrictions) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if rules.has_window:
        start, end = rules.window
        told |= {"startTimeOfDay": f"{start:%H:%M}", "endTimeOfDay": f"{end:%H:%M}"}
    if rules.day_of_week:
        told["dayOfWeek"] = [WEEKDAYS[day].capitalize() for day in sorted(rules.day_of_week)]
    if rules.start_date:
        told["validFromDate"] = rules.start_date.isoformat()
    if rules.end_date:
        told["validToDate"] = rules.end_date.isoformat()
    for quantity, (name, figure) in _AMOUNTS.items():
        for side, bound in zip(("min", "max"), rules.bounds(quantity), strict=True):
            if bound is not None:
                told[f"{side}{name}"] = figure(Decimal(bound))
    return {"conditions": told} if told else {}


def _figure(value: Decimal) -> float:
    """A JSON number with the same digits: a float's shortest text is that of the decimal."""
    return float(value)
