"""OCPI tariffs and charge detail records, 2.2.1 and 2.3.0, from JSON (tariffs sections 2 and 14).

Unknown fields of these foreign objects are tolerated, unknown words of an enumeration are not (T-04, T-55).
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from core.money import CURRENCIES
from tariffs import pointers
from tariffs.pointers import Json, Reader
from tariffs.structure import (
    WEEKDAYS,
    Component,
    Dimension,
    Element,
    PriceLimit,
    ReservationKind,
    Restrictions,
    Tariff,
    TariffType,
    TaxIncluded,
)
from tariffs.taxes import TaxRates
from tariffs.usage import Recorded, RecordedPeriod

LONGEST_SESSION = timedelta(days=366)
_KWH = ("min_kwh", "max_kwh", "min_current", "max_current", "min_power", "max_power")


class CdrDimension(StrEnum):
    """The dimensions that OCPI knows in a charging period; those that no tariff prices are passed over."""

    CURRENT = "CURRENT"
    ENERGY = "ENERGY"
    ENERGY_EXPORT = "ENERGY_EXPORT"
    ENERGY_IMPORT = "ENERGY_IMPORT"
    MAX_CURRENT = "MAX_CURRENT"
    MIN_CURRENT = "MIN_CURRENT"
    MAX_POWER = "MAX_POWER"
    MIN_POWER = "MIN_POWER"
    PARKING_TIME = "PARKING_TIME"
    POWER = "POWER"
    RESERVATION_TIME = "RESERVATION_TIME"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"
    TIME = "TIME"


_FIELD_OF: Mapping[CdrDimension, str] = {
    CdrDimension.ENERGY: "energy_kwh",
    CdrDimension.TIME: "time_h",
    CdrDimension.PARKING_TIME: "parking_h",
    CdrDimension.RESERVATION_TIME: "reservation_h",
    CdrDimension.MIN_POWER: "min_power",
    CdrDimension.MAX_POWER: "max_power",
    CdrDimension.MIN_CURRENT: "min_current",
    CdrDimension.MAX_CURRENT: "max_current",
}
_LEAVES_NO_RATE_OPEN: Mapping[TaxIncluded | None, str] = {
    None: "A tariff of OCPI 2.2.1 states its VAT itself; where a price has none, no rate can be named beside it.",
    TaxIncluded.NOT_APPLICABLE: "The tariff says that no tax applies; no rate can be named beside it.",
}
_HOURS = frozenset({CdrDimension.TIME, CdrDimension.PARKING_TIME, CdrDimension.RESERVATION_TIME})


def parse_tariff(document: Any, *, complete: bool = False, pointer: str = "") -> Tariff:
    """The tariff of a JSON object; ``complete`` also asks for what a price does not need (id, owner, dates).

    Raises :class:`tariffs.pointers.InvalidDocument` with every fault.
    """
    reader = Reader()
    tariff = _tariff(reader, document, pointer, complete=complete)
    reader.finish()
    return tariff


def parse_cdr(document: Any, *, pointer: str = "") -> Recorded:
    """The times and periods of a charge detail record; its own costs are not looked at (T-55)."""
    reader = Reader()
    body = reader.mapping(document, pointer)
    start = reader.need(body, "start_date_time", pointer, pointers.instant)
    end = reader.need(body, "end_date_time", pointer, pointers.instant)
    entries = reader.items(body.get("charging_periods"), f"{pointer}/charging_periods", least=1)
    periods = [_recorded_period(reader, *entry) for entry in entries]
    if start and end and end < start:
        reader.fault(f"{pointer}/end_date_time", "The session ends before it starts.")
    if start and end and end - start > LONGEST_SESSION:
        reader.fault(f"{pointer}/end_date_time", "A session lasts a year at most.")
    reader.finish()
    assert start is not None
    assert end is not None
    return Recorded(start=start, end=end, periods=tuple(one for one in periods if one))


def parse_tax_rates(document: Any, tariff: Tariff, *, pointer: str = "") -> TaxRates:
    """The percentages by dimension that hold where the tariff, one of 2.3.0, names none (T-32); ``None`` names none.

    Raises :class:`tariffs.pointers.InvalidDocument` with every fault; a tariff that leaves no rate open is one.
    """
    reader = Reader()
    body = {} if document is None else reader.mapping(document, pointer)
    rates = {
        dimension: reader.get(body, dimension.value, pointer, pointers.percent) for dimension in Dimension
    }
    for name in body.keys() - set(Dimension):
        words = f"“{str(name)[:40]}” is not known here; one of {', '.join(Dimension)} is."
        reader.fault(f"{pointer}/{pointers.escaped(str(name))}", words)
    named = {dimension: rate for dimension, rate in rates.items() if rate is not None}
    if named and (closed := _LEAVES_NO_RATE_OPEN.get(tariff.tax_included)):
        reader.fault(pointer, closed)
    reader.finish()
    return named


def _tariff(reader: Reader, document: Any, pointer: str, *, complete: bool) -> Tariff:
    body = reader.mapping(document, pointer)
    need = reader.need if complete else reader.get
    newer = _is_2_3_0(body)
    if newer and body.get("tax_included") is None:
        reader.fault(f"{pointer}/tax_included", "This field is required beside limits of OCPI 2.3.0.")
    entries = reader.items(body.get("elements"), f"{pointer}/elements", least=1)
    included = reader.get(body, "tax_included", pointer, pointers.one_of(TaxIncluded))
    least, most = (_limit(reader, body, name, pointer, included) for name in ("min_price", "max_price"))
    return Tariff(
        country_code=need(body, "country_code", pointer, pointers.text(2, 2)) or "",
        party_id=need(body, "party_id", pointer, pointers.text(3, 3)) or "",
        id=need(body, "id", pointer, pointers.text(36, 1)) or "",
        currency=reader.need(body, "currency", pointer, _currency) or "",
        type=reader.get(body, "type", pointer, pointers.one_of(TariffType)),
        min_price=least,
        max_price=most,
        elements=tuple(_element(reader, *entry) for entry in entries),
        tax_included=included,
        dynamic=body.get("dynamic") is True,
        alt_text=_alt_text(reader, body.get("tariff_alt_text"), f"{pointer}/tariff_alt_text"),
        alt_url=reader.get(body, "tariff_alt_url", pointer, pointers.text(255)) or "",
        start_at=reader.get(body, "start_date_time", pointer, pointers.instant),
        end_at=reader.get(body, "end_date_time", pointer, pointers.instant),
        last_updated=need(body, "last_updated", pointer, pointers.instant),
        document=body,
    )


def _is_2_3_0(body: Json) -> bool:
    """The two versions are told apart by their words for taxes (T-56)."""
    limits = [body.get(name) for name in ("min_price", "max_price")]
    return "tax_included" in body or any(
        isinstance(one, Mapping) and ("before_taxes" in one or "after_taxes" in one) for one in limits
    )


def _currency(value: Any) -> str:
    code = pointers.text(3, 3)(value)
    if code not in CURRENCIES:
        raise ValueError(f"“{code}” is not a currency; give its ISO 4217 code, such as EUR.")
    return code


def _limit(
    reader: Reader, body: Json, name: str, pointer: str, included: TaxIncluded | None
) -> PriceLimit | None:
    """A price limit in the words of either version; where no tax applies, both its sides are equal (T-32)."""
    if body.get(name) is None:
        return None
    here = f"{pointer}/{name}"
    limit = reader.mapping(body[name], here)
    newer = "before_taxes" in limit or "after_taxes" in limit
    excl, incl = ("before_taxes", "after_taxes") if newer else ("excl_vat", "incl_vat")
    without = reader.need(limit, excl, here, pointers.number)
    both = reader.get(limit, incl, here, pointers.number)
    return PriceLimit(without, without if included is TaxIncluded.NOT_APPLICABLE and both is None else both)


def _element(reader: Reader, value: Any, pointer: str) -> Element:
    body = reader.mapping(value, pointer)
    entries = reader.items(body.get("price_components"), f"{pointer}/price_components", least=1)
    restrictions = body.get("restrictions")
    return Element(
        components=tuple(_component(reader, *entry) for entry in entries),
        restrictions=Restrictions()
        if restrictions is None
        else _restrictions(reader, restrictions, f"{pointer}/restrictions"),
    )


def _component(reader: Reader, value: Any, pointer: str) -> Component:
    body = reader.mapping(value, pointer)
    price = reader.need(body, "price", pointer, pointers.number)
    return Component(
        dimension=reader.need(body, "type", pointer, pointers.one_of(Dimension)) or Dimension.ENERGY,
        price=pointers.number(0) if price is None else price,
        vat=reader.get(body, "vat", pointer, pointers.percent),
        step_size=reader.get(body, "step_size", pointer, pointers.whole) or 0,
    )


def _restrictions(reader: Reader, value: Any, pointer: str) -> Restrictions:
    body = reader.mapping(value, pointer)
    days = reader.items(body.get("day_of_week"), f"{pointer}/day_of_week")
    numbers = {name: reader.get(body, name, pointer, pointers.number) for name in _KWH}
    return Restrictions(
        start_time=reader.get(body, "start_time", pointer, pointers.local_time),
        end_time=reader.get(body, "end_time", pointer, pointers.local_time),
        start_date=reader.get(body, "start_date", pointer, pointers.local_date),
        end_date=reader.get(body, "end_date", pointer, pointers.local_date),
        day_of_week=frozenset(_weekday(reader, *entry) for entry in days),
        min_duration=reader.get(body, "min_duration", pointer, pointers.whole),
        max_duration=reader.get(body, "max_duration", pointer, pointers.whole),
        reservation=reader.get(body, "reservation", pointer, pointers.one_of(ReservationKind)),
        **numbers,
    )


def _weekday(reader: Reader, value: Any, pointer: str) -> int:
    if value in WEEKDAYS:
        return WEEKDAYS.index(value)
    reader.fault(pointer, f"“{str(value)[:40]}” is not a weekday; one of {', '.join(WEEKDAYS)} is.")
    return 0


def _alt_text(reader: Reader, value: Any, pointer: str) -> tuple[tuple[str, str], ...]:
    found = []
    for entry, here in reader.items(value, pointer):
        body = reader.mapping(entry, here)
        language = reader.need(body, "language", here, pointers.text(2, 2))
        words = reader.need(body, "text", here, pointers.text(512))
        found.append((language or "", words or ""))
    return tuple(found)


def _recorded_period(reader: Reader, value: Any, pointer: str) -> RecordedPeriod | None:
    body = reader.mapping(value, pointer)
    start = reader.need(body, "start_date_time", pointer, pointers.instant)
    volumes = {}
    for entry, here in reader.items(body.get("dimensions"), f"{pointer}/dimensions"):
        dimension = reader.mapping(entry, here)
        kind = reader.need(dimension, "type", here, pointers.one_of(CdrDimension))
        read = pointers.not_negative if kind in _HOURS else pointers.number
        volume = reader.need(dimension, "volume", here, read)
        if kind is None or kind not in _FIELD_OF or volume is None:
            continue
        if _FIELD_OF[kind] in volumes:
            reader.fault(f"{here}/type", f"{kind} stands twice in this period.")
        volumes[_FIELD_OF[kind]] = volume
    return RecordedPeriod(start=start, **volumes) if start else None
