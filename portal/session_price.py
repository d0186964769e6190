"""What a session costs, line by line, as pages of operators and drivers show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from stations.models import (
    CostDecision,
    FrozenTariff,
    Level,
    ReservationCost,
    SessionCost,
    StationCost,
    Transaction,
)
from tariffs.text import amount, number

Text = str | Promise

DIMENSION: Mapping[str, Text] = {
    "ENERGY": _("Energy"),
    "TIME": _("Charging time"),
    "PARKING_TIME": _("Occupancy"),
    "FLAT": _("Per session"),
    "RESERVATION_TIME": _("Reservation time"),
    "RESERVATION_FLAT": _("Reservation fee"),
    "LIMIT": _("Limit"),
}
CAUSE: Mapping[str, Text] = {
    "no_tariff": _("No tariff held at its start."),
    "missing_register": _("No reading of the session has a register."),
    "missing_state": _("The tariff counts time, and nothing tells what the session did."),
    "missing_power": _("The tariff depends on power, and no reading tells it."),
    "missing_current": _("The tariff depends on current, and no reading tells it."),
    "missing_export": _("The car gave energy back, and no reading tells it from start to end."),
    "register_fell": _("The meter's register fell."),
    "contradiction": _("Two readings of one instant differ."),
    "end_before_start": _("The session ends before it starts."),
    "tax_unknown": _("A price of the tariff states no VAT, so nobody knows the whole cost."),
    "no_readings": _("The session has no reading."),
    "used_after_all": _("A session that used it was told later."),
    "totals_differ": _("Its totals do not agree."),
}
OTHER_CAUSE = _("Its readings do not go together.")
UNITS: Mapping[str | None, Text] = {"kWh": "kWh", "h": "h", "session": "", None: ""}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a price in the reader's words; ``price`` is without VAT, ``gross`` with it."""

    name: Text
    measured: str
    billed: str
    price: str
    gross: str
    rate: str
    excl_vat: str
    incl_vat: str
    why: str


@dataclass(frozen=True, slots=True)
class Theirs:
    """What the station computed by itself (T-49); it is never billed."""

    total: str
    failed: bool
    reason: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A session's price; without ``total`` it is not known."""

    total: str
    excl_vat: str
    vat: str
    is_final: bool
    lines: list[Line]
    cause: Text
    detail: str
    since: datetime | None
    tariff: FrozenTariff | None
    theirs: Theirs | None
    decided: Text
    decided_by: str
    decided_at: datetime | None
    reason: str

    @property
    def found_at(self) -> Text:
        return Level(self.tariff.level).label if self.tariff else ""


def of(session: Transaction) -> Shown | None:
    """The price of a session; ``None`` where nothing is priced."""
    cost: SessionCost | None = getattr(session, "cost", None)
    if cost is None:
        return None
    return Shown(
        total=told(cost.incl_vat, cost.currency),
        excl_vat=told(cost.excl_vat, cost.currency),
        vat=told(cost.vat, cost.currency),
        is_final=cost.is_final,
        lines=list(_lines(cost)),
        cause=cause_of(cost),
        detail=cost.detail,
        since=cost.since if cost.cause else None,
        tariff=getattr(session, "frozen_tariff", None),
        theirs=_theirs(session),
        decided=CostDecision(cost.decision).label if cost.decision else "",
        decided_by=cost.decided_by,
        decided_at=cost.decided_at,
        reason=cost.reason,
    )


def cause_of(cost: SessionCost | ReservationCost) -> Text:
    """Why it has no price, in words; empty where it has one."""
    return CAUSE.get(cost.cause, OTHER_CAUSE) if cost.cause else ""


def _theirs(session: Transaction) -> Theirs | None:
    told: StationCost | None = getattr(session, "station_cost", None)
    if told is None:
        return None
    total = "" if told.total is None else f"{number(told.total)} {told.currency}"
    return Theirs(total=total, failed=told.failed, reason=told.reason, differs=bool(told.differs))


def told(value: Decimal | None, currency: str) -> str:
    """An amount of money in the reader's form; empty where it is not known."""
    return "" if value is None or not currency else amount(Fraction(value), currency)


def _lines(cost: SessionCost) -> list[Line]:
    texts = cost.texts.get(get_language() or "en") or cost.texts.get("en") or []
    return [_line(cost, line, words["why"]) for line, words in zip(cost.lines, texts, strict=True)]


def _line(cost: SessionCost, line: Mapping[str, Any], why: str) -> Line:
    unit = str(UNITS.get(line["unit"], ""))
    counted = line["unit"] is not None
    return Line(
        name=DIMENSION.get(line["dimension"], line["dimension"]),
        measured=_quantity(line["measured"], unit) if counted else "",
        billed=_quantity(line["billed"], unit) if counted else "",
        price="" if line["price"] is None else _price(Fraction(line["price"]), unit, cost.currency),
        gross="" if line["price"] is None else _price(_with_vat(line), unit, cost.currency),
        rate="" if line["vat"] is None else f"{number(Decimal(line['vat']))} %",
        excl_vat=_amount(line["excl_vat"], cost.currency),
        incl_vat=_amount(line["incl_vat"], cost.currency),
        why=why,
    )


def _with_vat(line: Mapping[str, Any]) -> Fraction:
    return Fraction(line["price"]) * (1 + Fraction(line["vat"] or 0) / 100)


def _price(value: Fraction, unit: str, currency: str) -> str:
    words = amount(value, currency)
    return f"{words}/{unit}" if unit else words


def _quantity(value: str, unit: str) -> str:
    return f"{number(Decimal(value))} {unit}".strip()


def _amount(value: str | None, currency: str) -> str:
    return "" if value is None else amount(Fraction(Decimal(value)), currency)
