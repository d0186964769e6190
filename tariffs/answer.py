"""A price as JSON, the same for the API's `/tools/price/` and for `manage.py price` (tariffs section 14)."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from core.clock import to_wire
from core.money import Money, half_up
from tariffs import text
from tariffs.lines import Line
from tariffs.pricing import Amount, Counted, Part, Price, Tax
from tariffs.rounding import Payable, Rate, VatGroup, ocpi
from tariffs.structure import Dimension, Tariff

QUANTITY_DIGITS = 6
_NAMES = {
    Part.ENERGY: "total_energy_cost",
    Part.TIME: "total_time_cost",
    Part.PARKING: "total_parking_cost",
    Part.FIXED: "total_fixed_cost",
    Part.RESERVATION: "total_reservation_cost",
}


def as_json(tariff: Tariff, price: Price, *, for_persons: bool = False) -> dict[str, Any]:
    """Amounts are texts: exact values to four decimals, and what is payable in minor units.

    ``for_persons``: the sentences name prices with taxes (T-52).
    """
    told = figures(price)
    for line, words in zip(told["lines"], sentences(tariff, price, for_persons=for_persons), strict=True):
        line.update(words)
    return told


def figures(price: Price) -> dict[str, Any]:
    """The same without the words, which are all that depends on the language."""
    return {
        "total_cost": _amount(price.total),
        **{name: _amount(price.part(part)) for part, name in _NAMES.items()},
        "payable": _payable(price.payable),
        "vat_groups": [_group(group) for group in price.groups],
        "currency": price.currency,
        "policy": price.rounding.policy,
        "basis": price.rounding.basis.value,
        "time_zone": price.zone.key,
        "total_energy": plain(price.measured(Counted.ENERGY)),
        "total_time": plain(price.total_time_h),
        "total_parking_time": plain(price.measured(Counted.PARKING_TIME)),
        "warnings": [warning.value for warning in price.warnings],
        "lines": [_line(price, line) for line in price.lines],
    }


def sentences(tariff: Tariff, price: Price, *, for_persons: bool = False) -> list[dict[str, str]]:
    """What each line says in the active language, and why."""
    return [
        {
            "why": text.why(tariff, line),
            "text": text.sentence(tariff, line, for_persons=for_persons),
        }
        for line in price.lines
    ]


def plain(value: Fraction | Decimal) -> str:
    """A quantity or rate without needless zeros, to six decimals."""
    digits = half_up(Fraction(value), QUANTITY_DIGITS)
    words = f"{digits:f}".rstrip("0").rstrip(".")
    return words or "0"


def _amount(amount: Amount) -> dict[str, str | None]:
    return {"excl_vat": _told(ocpi(amount.excl)), "incl_vat": _told(ocpi(amount.incl))}


def _payable(payable: Payable) -> dict[str, str | None]:
    return {
        "excl_vat": _whole(payable.excl),
        "incl_vat": _whole(payable.incl),
        "vat": _whole(payable.vat),
    }


def _group(group: VatGroup) -> dict[str, Any]:
    return {"vat": _rate(group.rate), **_amount(group.exact), "payable": _payable(group.payable)}


def _line(price: Price, line: Line) -> dict[str, Any]:
    ends = [instant for stretch in line.stretches for instant in stretch]
    return {
        "dimension": line.counted.value,
        "from": _local(price, ends[0]) if ends else None,
        "to": _local(price, ends[-1]) if ends else None,
        "periods": [[_local(price, start), _local(price, end)] for start, end in line.stretches],
        "measured": plain(line.measured),
        "billed": plain(line.billed),
        "unit": _unit(line),
        "price": plain(line.component.price) if line.component else None,
        "vat": _rate(line.rate),
        **_amount(line.amount),
        "element": line.element,
        "component": line.place,
        "added_by_step": plain(line.added_by_step),
    }


def _unit(line: Line) -> str | None:
    if line.counted is Counted.LIMIT:
        return None
    if line.counted is Counted.ENERGY:
        return "kWh"
    flat = line.component is not None and line.component.dimension is Dimension.FLAT
    return "session" if flat else "h"


def _rate(rate: Rate) -> str | None:
    return None if isinstance(rate, Tax) else plain(rate)


def _whole(money: Money | None) -> str | None:
    return None if money is None else _told(money.amount)


def _told(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _local(price: Price, instant: datetime) -> str:
    """Local time with its offset, which tells the doubled hour of autumn apart."""
    if price.zone.key == "UTC":
        return to_wire(instant)
    return instant.astimezone(price.zone).isoformat(timespec="milliseconds")
