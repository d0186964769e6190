"""What is wrong or unwise about a tariff, before it is published (tariffs section 13)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from django.utils.translation import gettext as _

from core.money import half_up, minor_units
from tariffs import ocpp21, parsing, text
from tariffs.choosing import OF_RESERVATION, Chooser
from tariffs.coverage import situations
from tariffs.pointers import InvalidDocument
from tariffs.structure import (
    Component,
    Dimension,
    Element,
    PriceLimit,
    ReservationKind,
    Tariff,
    TaxIncluded,
)
from tariffs.usage import Conditions, Counted

FAST_KW = 50
_TELLS_PRICES = re.compile(
    r"\d+(?:[.,]\d+)?\s*(?:€|£|\$|¥|ct\b|cent|[A-Z]{3}\b|/\s*(?:kwh|min|h)\b|(?:per|pro|je)\s)|[€£$¥]\s*\d",
    re.IGNORECASE,
)


class Level(StrEnum):
    """An error forbids publishing, a warning is confirmed, an info is told."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


LEVELS = {
    **dict.fromkeys(("L01", "L02", "L03", "L04", "L05"), Level.ERROR),
    **dict.fromkeys(("L06", "L07", "L08", "L09", "L10", "L11", "L12", "L14"), Level.WARNING),
    "L13": Level.INFO,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: its code, where, and a sentence for a person."""

    code: str
    pointer: str
    message: str

    @property
    def level(self) -> Level:
        return LEVELS[self.code]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where the tariff is used; what is not known is not checked.

    ``power_kw`` is that of the strongest EVSE; ``ad_hoc`` says that persons without a contract pay it there, whatever
    its type.
    """

    power_kw: Decimal | None = None
    ad_hoc: bool = False
    languages: tuple[str, ...] = ()


NOWHERE = Context()


def lint(document: Any, context: Context = NOWHERE) -> list[Finding]:
    """All findings about a tariff as JSON; one that cannot be read has L01 only."""
    try:
        tariff = parsing.parse_tariff(document, complete=True)
    except InvalidDocument as error:
        return [Finding("L01", one.pointer, one.message) for one in error.problems]
    found = [*errors(tariff, context)]
    for check in WARNINGS:
        found += check(tariff, context)
    return sorted(found, key=lambda finding: finding.code)


def errors(tariff: Tariff, context: Context = NOWHERE) -> list[Finding]:
    """Only what forbids publishing."""
    return [finding for check in ERRORS for finding in check(tariff, context)]


def legal(tariff: Tariff, context: Context = NOWHERE) -> list[Finding]:
    """What speaks against it in law where it is used: T-50, and an occupancy fee for ad hoc charging without a cap."""
    return [*_fast_ad_hoc(tariff, context), *_uncapped(tariff, context)]


def _duplicates(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    for number, place, component in tariff.components():
        if tariff.elements[number].component(component.dimension) != place:
            words = _("The element has a price for %(dimension)s already; the first one counts.")
            yield Finding("L01", _at(number, place), words % {"dimension": component.dimension.value})


def _ranges(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    empty = _("The range is empty: its end is not above its start.")
    for number, element in enumerate(tariff.elements):
        rules, pointer = element.restrictions, f"/elements/{number}/restrictions"
        for quantity in ("kwh", "current", "power", "duration"):
            least, most = rules.bounds(quantity)
            if most is not None and (least or 0) >= most:
                yield Finding("L02", f"{pointer}/max_{quantity}", empty)
        if rules.start_date and rules.end_date and rules.end_date <= rules.start_date:
            yield Finding("L02", f"{pointer}/end_date", empty)
    if tariff.start_at and tariff.end_at and tariff.end_at <= tariff.start_at:
        yield Finding("L02", "/end_date_time", empty)


def _reservations(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    for number, place, component in tariff.components():
        reserved = tariff.elements[number].restrictions.reservation
        if reserved and component.dimension in (Dimension.ENERGY, Dimension.PARKING_TIME):
            words = _("A reservation can cost a fee and time, not %(dimension)s.")
            yield Finding("L03", _at(number, place), words % {"dimension": component.dimension.value})


def _fast_ad_hoc(tariff: Tariff, context: Context) -> Iterator[Finding]:
    for_ad_hoc = tariff.for_ad_hoc or context.ad_hoc
    if not for_ad_hoc or context.power_kw is None or context.power_kw < FAST_KW:
        return
    for number, place, component in _ordinary(tariff):
        if component.dimension in (Dimension.FLAT, Dimension.TIME) and component.price:
            words = _("From 50 kW, ad hoc charging is priced per kWh, with an occupancy fee at most.")
            yield Finding("L04", _at(number, place), words)


def _limits(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    least, most = tariff.min_price, tariff.max_price
    if least is None or most is None:
        return
    if _above(least.excl, most.excl) or _above(least.incl, most.incl):
        yield Finding("L05", "/min_price", _("The minimum price is above the maximum price."))


def _never_wins(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    seen = [*situations(tariff)]
    winners = {
        choice.element
        for chooser in (Chooser(tariff), Chooser(tariff, expired=True))
        for now in seen
        for counted in chooser.candidates
        if (choice := chooser.choose(counted, now))
    }
    for number in range(len(tariff.elements) if seen else 0):
        if number not in winners:
            words = _("The element never counts: earlier ones cover it for all its prices.")
            yield Finding("L06", f"/elements/{number}", words)


def _gaps(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    chooser = Chooser(tariff)
    seen = [*situations(tariff)]
    for counted in chooser.candidates.keys() - OF_RESERVATION:
        looked_at = [now for now in seen if counted is not Counted.FLAT or not (now.kwh or now.elapsed_s)]
        gaps = [now for now in looked_at if not chooser.choose(counted, now)]
        if chooser.candidates[counted] and gaps:
            words = _("%(dimension)s is priced at some times only and free, for example, %(when)s.")
            when = {"dimension": counted.value, "when": _situation(tariff, gaps[0])}
            yield Finding("L07", "/elements", words % when)


def _steps(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    for number, place, component in tariff.components():
        if component.step_size > 1 and component.dimension is not Dimension.FLAT:
            words = _("Rounding up to steps is felt to be unfair and cannot be told to OCPP 2.1 stations.")
            yield Finding("L08", f"{_at(number, place)}/step_size", words)


def _limits_and_vat(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    rates = {component.vat for _number, _place, component in tariff.components()}
    rate = rates.pop() if len(rates) == 1 else None
    for name, limit in (("min_price", tariff.min_price), ("max_price", tariff.max_price)):
        if limit and limit.incl is None:
            yield Finding(
                "L09", f"/{name}", _("The limit is given without VAT only, so the price with VAT has none.")
            )
        elif limit and rate is not None and not _agrees(limit, rate, minor_units(tariff.currency)):
            yield Finding(
                "L09", f"/{name}", _("The two sides of the limit do not agree with the rate of VAT.")
            )


def _mixed_vat(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    given = [component.vat is not None for _number, _place, component in tariff.components()]
    if any(given) and not all(given):
        yield Finding(
            "L10", "/elements", _("Some prices state VAT and others do not; 0 is a rate, none is not.")
        )
    elif not any(given) and tariff.tax_included in (TaxIncluded.YES, TaxIncluded.NO):
        words = _("No price states VAT, so that nobody can be told what charging costs with taxes.")
        yield Finding("L10", "/elements", words)


def _oddities(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    for number, element in enumerate(tariff.elements):
        rules, pointer = element.restrictions, f"/elements/{number}"
        if rules.start_time is not None and rules.start_time == rules.end_time:
            words = _("Start and end of the window are equal: it is the whole day.")
            yield Finding("L11", f"{pointer}/restrictions/end_time", words)
        if element.component(Dimension.FLAT) is not None and _depends_on_amounts(element):
            yield Finding("L11", pointer, _("A fee per session depends on kWh, power, current or duration."))
    kinds = {
        element.restrictions.reservation
        for element in tariff.elements
        if element.component(Dimension.FLAT) is not None
    }
    if kinds >= {ReservationKind.RESERVATION, ReservationKind.RESERVATION_EXPIRES}:
        yield Finding(
            "L11", "/elements", _("Both kinds of reservation have a fee; an expired one pays the second.")
        )


def _texts(tariff: Tariff, context: Context) -> Iterator[Finding]:
    given = {language.lower() for language, _words in tariff.alt_text}
    for language in context.languages if given else ():
        if language.lower() not in given:
            words = _("The extra text is missing in a language of the site: %(language)s.")
            yield Finding("L12", "/tariff_alt_text", words % {"language": language})
    for number, (_language, words) in enumerate(tariff.alt_text):
        if _TELLS_PRICES.search(words):
            message = _("The extra text repeats prices; they are told by the elements.")
            yield Finding("L12", f"/tariff_alt_text/{number}/text", message)


def _conversion(tariff: Tariff, _context: Context) -> Iterator[Finding]:
    for refusal in ocpp21.refusals(tariff):
        yield Finding("L13", refusal.pointer, refusal.message)


def _uncapped(tariff: Tariff, context: Context) -> Iterator[Finding]:
    for number, place, component in _ordinary(tariff):
        if (
            component.dimension is Dimension.PARKING_TIME
            and component.price
            and _caps_nothing(tariff, context)
        ):
            words = _("An occupancy fee for ad hoc charging has no cap; give a maximum price.")
            yield Finding("L14", _at(number, place), words)
            return


def _caps_nothing(tariff: Tariff, context: Context) -> bool:
    return (tariff.for_ad_hoc or context.ad_hoc) and tariff.max_price is None


def _ordinary(tariff: Tariff) -> Iterator[tuple[int, int, Component]]:
    for number, place, component in tariff.components():
        if tariff.elements[number].restrictions.reservation is None:
            yield number, place, component


def _depends_on_amounts(element: Element) -> bool:
    bounds = (element.restrictions.bounds(one) for one in ("kwh", "power", "current", "duration"))
    return any(bound is not None for pair in bounds for bound in pair)


def _agrees(limit: PriceLimit, rate: Decimal, digits: int) -> bool:
    """Whether both sides are the same price, to the minor unit."""
    if limit.excl is None or limit.incl is None:
        return True
    incl = Fraction(limit.excl) * (1 + Fraction(rate) / 100)
    return half_up(incl, digits) == half_up(limit.incl, digits)


def _above(least: Decimal | None, most: Decimal | None) -> bool:
    return least is not None and most is not None and least > most


def _situation(tariff: Tariff, now: Conditions) -> str:
    """When a gap begins, in words."""
    words = []
    if tariff.is_local:
        words.append(
            _("%(day)s from %(time)s") % {"day": text.weekday(now.local), "time": f"{now.local:%H:%M}"}
        )
    if now.kwh or tariff.thresholds("kwh"):
        words.append(_("from %(least)s kWh") % {"least": text.number(now.kwh)})
    if now.elapsed_s or tariff.thresholds("duration"):
        words.append(_("after %(least)s min") % {"least": text.number(now.elapsed_s / 60)})
    if tariff.thresholds("power"):
        words.append(_("from %(least)s kW") % {"least": text.number(now.min_power or 0)})
    if tariff.thresholds("current"):
        words.append(_("from %(least)s A") % {"least": text.number(now.min_current or 0)})
    return ", ".join(words)


def _at(number: int, place: int) -> str:
    return f"/elements/{number}/price_components/{place}"


Check = Callable[[Tariff, Context], Iterator[Finding]]
ERRORS: tuple[Check, ...] = (_duplicates, _ranges, _reservations, _fast_ad_hoc, _limits)
WARNINGS: tuple[Check, ...] = (
    _never_wins, _gaps, _steps, _limits_and_vat, _mixed_vat, _oddities, _texts, _conversion, _uncapped,
)  # fmt: skip
