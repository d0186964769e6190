"""Prices in plain words, in the active language: the price text before a start, and the reason of each line.

The same text stands on the page behind the QR code, in the app, on the receipt and in open data (T-52): with
taxes, currency and unit, per hour told per minute, in the order of T-51.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from core.money import half_up, minor_units
from tariffs import taxes
from tariffs.choosing import Choice, Chooser, chooser_of
from tariffs.lines import SECONDS_PER_HOUR, WH_PER_KWH, Line
from tariffs.local_time import boundaries
from tariffs.pricing import PART_OF, Part
from tariffs.rounding import Tax
from tariffs.structure import Component, Dimension, PriceLimit, Restrictions, Tariff, TaxIncluded
from tariffs.usage import Conditions, Counted

SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$"}
MOST_DECIMALS = 4
LONGEST_PRICE_TEXT = 512
_AHEAD = timedelta(days=8)


def describe(tariff: Tariff, *, zone: ZoneInfo, at: datetime) -> tuple[str, ...]:
    """The price text: one sentence per component, the present price of each dimension first."""
    chooser = chooser_of(tariff)
    now = Conditions(local=at.astimezone(zone))
    sentences: list[str] = []
    for counted in (Counted.ENERGY, Counted.TIME, Counted.PARKING_TIME, Counted.FLAT):
        sentences += _of_dimension(tariff, chooser, counted, now)
    sentences += _of_reservation(tariff)
    if not any(component.price for _element, _place, component in tariff.components()):
        sentences = [_("Charging is free.")]
    for limit, words in ((tariff.min_price, _("At least %(price)s per session.")),
                         (tariff.max_price, _("At most %(price)s per session."))):  # fmt: skip
        if limit:
            sentences.append(words % {"price": _limit_price(tariff, limit)})
    if change := _next_change(tariff, chooser, zone, at):
        sentences.append(_("The price changes at %(time)s.") % {"time": _clock(change, at, zone)})
    if tariff.dynamic:
        sentences.append(_("The price can change while you charge."))
    return tuple(sentences)


def fitted(sentences: Sequence[str], *, more_at: str = "", most: int = LONGEST_PRICE_TEXT) -> str:
    """As many whole sentences as fit; where some are dropped, the address that tells them. Never a cut number."""
    whole = " ".join(sentences)
    if len(whole) <= most:
        return whole
    more = _("more: %(url)s") % {"url": more_at} if more_at else ""
    kept: list[str] = []
    for sentence in sentences:
        if len(" ".join([*kept, sentence, more]).strip()) > most:
            break
        kept.append(sentence)
    return " ".join([*kept, more]).strip()[:most] if kept or len(more) <= most else ""


def sentence(tariff: Tariff, line: Line, *, for_persons: bool = False) -> str:
    """A line of a price in one sentence: how much, at which price, and why.

    The price is the tariff's own figure; for persons it is what they pay, taxes included (T-52).
    """
    component = line.component
    if line.counted is Counted.LIMIT or component is None:
        return why(tariff, line)
    price = _price_words(tariff, component, for_persons, get_language() or "")
    if _is_fee(line.counted):
        return _("%(price)s once: %(why)s") % {"price": price, "why": why(tariff, line)}
    return _("%(quantity)s at %(price)s: %(why)s") % {
        "quantity": quantity(line.counted, line.billed),
        "price": price,
        "why": why(tariff, line),
    }


def why(tariff: Tariff, line: Line) -> str:
    """Which restriction made the component win, or why there is none; what a step or a limit added."""
    if line.counted is Counted.LIMIT:
        raised = (line.amount.incl or line.amount.excl or Fraction(0)) > 0
        return _("difference to the minimum price") if raised else _("difference to the maximum price")
    reason = _reason(tariff, line.counted, line.element, get_language() or "")
    if line.component is not None and line.added_by_step:
        reason = _("%(why)s; %(added)s added to reach a multiple of %(step)s") % {
            "why": reason,
            "added": quantity(line.counted, line.added_by_step),
            "step": _step(line.counted, line.component.step_size),
        }
    return reason


@lru_cache(maxsize=4096)
def _price_words(tariff: Tariff, component: Component, for_persons: bool, language: str) -> str:
    """The same for every line by that component: running costs are told over and over."""
    if for_persons and component.price:
        return _shown(tariff, component)
    return _told(tariff, component, component.price)


@lru_cache(maxsize=4096)
def _reason(tariff: Tariff, counted: Counted, element: int | None, language: str) -> str:
    """Why that element, or none, prices it; the same for every such line."""
    if element is None:
        return _why_free(tariff, counted)
    reason = conditions(tariff.elements[element].restrictions)
    if reason:
        return reason
    before = _others(tariff, counted, element)
    return _("otherwise, not: %(when)s") % {"when": "; ".join(before)} if before else _("at all times")


def conditions(one: Restrictions) -> str:
    """When an element counts, in words; empty for always."""
    parts = [
        *_clock_words(one),
        *_range(one.min_kwh, one.max_kwh, _("from %(least)s kWh"), _("up to %(most)s kWh")),
        *_range(_minutes(one.min_duration), _minutes(one.max_duration),
                _("after %(least)s min"), _("in the first %(most)s min")),
        *_range(one.min_power, one.max_power, _("from %(least)s kW"), _("below %(most)s kW")),
        *_range(one.min_current, one.max_current, _("from %(least)s A"), _("below %(most)s A")),
    ]  # fmt: skip
    return ", ".join(parts)


def quantity(counted: Counted, value: Fraction) -> str:
    """Kilowatt-hours, or hours as minutes, with their unit."""
    if counted is Counted.ENERGY:
        return f"{number(value)} kWh"
    return f"{number(value * 60)} min"


def amount(value: Fraction, currency: str) -> str:
    """A price with its currency: at least the minor unit's decimals, at most four."""
    return f"{number(value, least=minor_units(currency))} {SYMBOLS.get(currency, currency)}"


def number(value: Fraction | Decimal | int, *, least: int = 0) -> str:
    """A number in the reader's form, without needless zeros."""
    shown = half_up(value, MOST_DECIMALS)
    fraction = f"{shown:f}".partition(".")[2].rstrip("0")
    digits = max(len(fraction), least)
    return formats.number_format(half_up(value, digits), decimal_pos=digits, use_l10n=True)


def weekday(local: datetime) -> str:
    """The short name of a day of the week."""
    return _WEEKDAYS[local.weekday()]()


def _of_dimension(tariff: Tariff, chooser: Chooser, counted: Counted, now: Conditions) -> list[str]:
    """The present price of a dimension, then each other one with its conditions."""
    present = chooser.choose(counted, now)
    choices = [one.choice for one in chooser.candidates[counted]]
    ordered = sorted(choices, key=lambda choice: choice != present)
    return [_priced(tariff, choice, one_of_many=len(choices) > 1) for choice in ordered]


def _priced(tariff: Tariff, choice: Choice, *, one_of_many: bool) -> str:
    component = choice.component
    when = conditions(tariff.elements[choice.element].restrictions)
    if one_of_many and not when:
        when = _("otherwise")
    words = _LABELS[component.dimension]() % {"price": _shown(tariff, component)}
    return f"{words} ({when})." if when else f"{words}."


def _of_reservation(tariff: Tariff) -> list[str]:
    found = []
    for number_of, _place, component in tariff.components():
        kind = tariff.elements[number_of].restrictions.reservation
        if kind is not None and component.dimension in (Dimension.TIME, Dimension.FLAT):
            expired = kind.value == "RESERVATION_EXPIRES"
            words = _("Reservation that expires: %(price)s.") if expired else _("Reservation: %(price)s.")
            found.append(words % {"price": _shown(tariff, component)})
    return found


_LABELS = {
    Dimension.ENERGY: lambda: _("Energy: %(price)s"),
    Dimension.TIME: lambda: _("Charging time: %(price)s"),
    Dimension.PARKING_TIME: lambda: _("Occupancy after charging: %(price)s"),
    Dimension.FLAT: lambda: _("Per session: %(price)s"),
}


def _shown(tariff: Tariff, component: Component) -> str:
    """A component's price for persons: with taxes, per kWh, per minute or once (T-52)."""
    rate = taxes.rate_of(tariff, component, {})
    told = taxes.amount_of(tariff, Fraction(1), component, rate)
    if not component.price:
        return _("free")
    if told.incl is None:
        return _("%(price)s plus tax") % {"price": _told(tariff, component, component.price)}
    words = _told(tariff, component, told.incl)
    if isinstance(rate, Tax):
        return words
    return _("%(price)s incl. %(rate)s %% VAT") % {"price": words, "rate": number(rate)}


def _told(tariff: Tariff, component: Component, price: Fraction | Decimal) -> str:
    if component.dimension is Dimension.ENERGY:
        return _("%(price)s per kWh") % {"price": amount(Fraction(price), tariff.currency)}
    if component.dimension is Dimension.FLAT:
        return amount(Fraction(price), tariff.currency)
    minute = Fraction(price) / 60
    words = _("%(price)s per minute") % {"price": amount(minute, tariff.currency)}
    if minute != Fraction(half_up(minute, MOST_DECIMALS)):
        hourly = {"minute": words, "hour": amount(Fraction(price), tariff.currency)}
        words = _("%(minute)s (%(hour)s per hour)") % hourly
    return words


def _limit_price(tariff: Tariff, limit: PriceLimit) -> str:
    if limit.incl is not None:
        return amount(Fraction(limit.incl), tariff.currency)
    words = amount(Fraction(limit.excl or 0), tariff.currency)
    without_taxes = tariff.tax_included is not TaxIncluded.NOT_APPLICABLE
    return _("%(price)s plus tax") % {"price": words} if without_taxes else words


def _next_change(tariff: Tariff, chooser: Chooser, zone: ZoneInfo, at: datetime) -> datetime | None:
    """When the clock next changes a price of a session that would begin now."""
    restrictions = [element.restrictions for element in tariff.elements]
    now = Conditions(local=at.astimezone(zone))
    for instant in boundaries(restrictions, zone, at, at + _AHEAD):
        then = Conditions(local=instant.astimezone(zone))
        if any(chooser.choose(one, now) != chooser.choose(one, then) for one in PART_OF):
            return instant
    return None


def _clock(instant: datetime, at: datetime, zone: ZoneInfo) -> str:
    local = instant.astimezone(zone)
    if local.date() == at.astimezone(zone).date():
        return f"{local:%H:%M}"
    return f"{weekday(local)} {local:%H:%M}"


def _clock_words(one: Restrictions) -> list[str]:
    words = []
    if one.day_of_week and len(one.day_of_week) < len(_WEEKDAYS):
        words.append(", ".join(_WEEKDAYS[day]() for day in sorted(one.day_of_week)))
    if one.has_window and one.window[0] != one.window[1]:
        words.append(f"{one.window[0]:%H:%M}–{one.window[1]:%H:%M}")
    if one.start_date:
        words.append(_("from %(day)s") % {"day": formats.date_format(one.start_date, "SHORT_DATE_FORMAT")})
    if one.end_date:
        words.append(_("before %(day)s") % {"day": formats.date_format(one.end_date, "SHORT_DATE_FORMAT")})
    return words


def _range(least: Decimal | None, most: Decimal | None, from_words: str, to_words: str) -> Iterable[str]:
    if least:
        yield from_words % {"least": number(least)}
    if most is not None:
        yield to_words % {"most": number(most)}


def _minutes(seconds: int | None) -> Decimal | None:
    return None if seconds is None else half_up(Fraction(seconds, 60), MOST_DECIMALS)


def _step(counted: Counted, step: int) -> str:
    unit = WH_PER_KWH if counted is Counted.ENERGY else SECONDS_PER_HOUR
    return quantity(counted, Fraction(step, unit))


def _why_free(tariff: Tariff, counted: Counted) -> str:
    if PART_OF[counted] is Part.RESERVATION:
        return _("free: no price for reservations")
    priced = _others(tariff, counted, len(tariff.elements))
    if priced:
        return _("free: priced only %(when)s") % {"when": "; ".join(priced)}
    return _("free: the tariff has no price for it")


def _others(tariff: Tariff, counted: Counted, before: int) -> list[str]:
    """The conditions of the elements before this one that have a price for the same."""
    candidates = chooser_of(tariff).candidates[counted]
    found = (conditions(one.restrictions) for one in candidates if one.choice.element < before)
    return [words for words in found if words]


def _is_fee(counted: Counted) -> bool:
    return counted in (Counted.FLAT, Counted.RESERVATION_FLAT)


_WEEKDAYS = (
    lambda: _("Mon"), lambda: _("Tue"), lambda: _("Wed"), lambda: _("Thu"), lambda: _("Fri"),
    lambda: _("Sat"), lambda: _("Sun"),
)  # fmt: skip
