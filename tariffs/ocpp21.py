"""What keeps a tariff from being told to a station as an OCPP 2.1 tariff (tariffs T-47). Nothing is approximated."""

from collections.abc import Iterator
from fractions import Fraction

from django.utils.translation import gettext as _

from core.money import half_up
from tariffs.pointers import Problem
from tariffs.structure import Component, Dimension, Element, ReservationKind, Tariff, TaxIncluded

MINUTE_DECIMALS = 6


def refusals(tariff: Tariff) -> list[Problem]:
    """Each field without an exact counterpart, with the reason."""
    found = [*_of_taxes(tariff), *_of_dimensions(tariff)]
    for number, element in enumerate(tariff.elements):
        found += _of_element(element, f"/elements/{number}")
    if tariff.end_at:
        found.append(
            Problem("/end_date_time", _("OCPP 2.1 has no end of a tariff; a replacement must be scheduled."))
        )
    return found


def _of_taxes(tariff: Tariff) -> Iterator[Problem]:
    if tariff.tax_included is TaxIncluded.YES:
        yield Problem("/tax_included", _("OCPP 2.1 has prices without taxes only."))
    if tariff.tax_included is not TaxIncluded.NO:
        return
    for number, place, component in tariff.components():
        if component.vat is None and component.price:
            yield Problem(
                f"/elements/{number}/price_components/{place}/vat",
                _("OCPP 2.1 takes a price without a rate of VAT as one without VAT."),
            )


def _of_element(element: Element, pointer: str) -> Iterator[Problem]:
    rules = element.restrictions
    if rules.reservation is ReservationKind.RESERVATION_EXPIRES:
        yield Problem(
            f"{pointer}/restrictions/reservation", _("OCPP 2.1 has no price for a reservation that expires.")
        )
    for place, component in enumerate(element.components):
        here = f"{pointer}/price_components/{place}"
        if component.step_size > 1:
            yield Problem(f"{here}/step_size", _("OCPP 2.1 has no steps."))
        if component.dimension in (Dimension.TIME, Dimension.PARKING_TIME) and not _exact_minute(component):
            yield Problem(f"{here}/price", _("The price per minute has no exact form of six decimals."))
        if component.dimension is Dimension.FLAT and _by_amount(element):
            yield Problem(here, _("A fee per session can depend on time of day, weekday and dates only."))


def _exact_minute(component: Component) -> bool:
    minute = Fraction(component.price) / 60
    return minute == Fraction(half_up(minute, MINUTE_DECIMALS))


def _by_amount(element: Element) -> bool:
    rules = element.restrictions
    return any(
        bound is not None
        for quantity in ("kwh", "power", "current", "duration")
        for bound in rules.bounds(quantity)
    )


def _of_dimensions(tariff: Tariff) -> Iterator[Problem]:
    for dimension in Dimension:
        rates = {one.vat for _number, _place, one in tariff.components() if one.dimension is dimension}
        if len(rates) > 1:
            yield Problem(
                "/elements", _("%(dimension)s has two rates of VAT.") % {"dimension": dimension.value}
            )
