"""The figures of a document in the words of EN 16931, the same for PDF, CII and UBL (billing B-57 to B-59)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext, override

from core.errors import Invalid
from core.money import half_up, minor_units

OUTSIDE = "O"


@dataclass(frozen=True, slots=True)
class Line:
    """BG-25: one session at one rate; the price is for one unit, which is a session or a kWh (B-58).

    ``cost_centre`` is BT-133, the buyer's own; empty where none is known.
    """

    number: int
    name: str
    description: str
    quantity: Decimal
    unit: str
    price: Decimal
    net: Decimal
    category: str
    rate: Decimal
    begin: date
    end: date
    attributes: tuple[tuple[str, str], ...]
    cost_centre: str
    source: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """BG-23: the VAT of one rate."""

    category: str
    rate: Decimal
    net: Decimal
    vat: Decimal
    reason_code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Figures:
    """A whole document; ``with_vat`` is BT-112, ``due`` BT-115, ``rounding`` BT-114.

    ``prepaid`` is BT-113: what credit notes of the payer settle of it, each with its amount in ``set_off``.
    ``by_cost_centre``: its lines are shown grouped, with a sum for each cost centre (B-18).
    """

    number: str
    type_code: str
    issued_on: date
    due_on: date
    currency: str
    digits: int
    language: str
    period: tuple[date, date]
    seller: Mapping[str, Any]
    buyer: Mapping[str, Any]
    payment: Mapping[str, Any]
    preceding: Mapping[str, str] | None
    lines: tuple[Line, ...]
    groups: tuple[Group, ...]
    net: Decimal
    vat: Decimal
    with_vat: Decimal
    rounding: Decimal
    prepaid: Decimal
    due: Decimal
    set_off: tuple[tuple[str, Decimal], ...]
    by_cost_centre: bool
    note: str

    def money(self, amount: Decimal) -> str:
        """With exactly the digits of the currency."""
        return f"{amount:.{self.digits}f}"

    @property
    def is_credit(self) -> bool:
        return self.type_code == "381"

    @property
    def is_self_billed(self) -> bool:
        """Made by the buyer in the seller's name (B-52)."""
        return self.type_code == "389"

    @property
    def sender(self) -> Mapping[str, Any]:
        """Who makes it: the organization."""
        return self.buyer if self.is_self_billed else self.seller

    @property
    def addressee(self) -> Mapping[str, Any]:
        return self.seller if self.is_self_billed else self.buyer


def of(snapshot: Mapping[str, Any]) -> Figures:
    """The figures of an opened snapshot. Raises :class:`Invalid` for one of before documents were made."""
    if "version" not in snapshot:
        raise Invalid("This invoice was issued before documents were made; it holds no addresses.")
    with override(snapshot["language"]):
        return _figures(snapshot)


def problems(figures: Figures) -> list[str]:
    """Rules of EN 16931 that do not hold, by the number of the statement's terms (B-59)."""
    found = list(_problems_of_sums(figures))
    sums = {group.rate: Decimal(0) for group in figures.groups}
    for line in figures.lines:
        sums[line.rate] = sums.get(line.rate, Decimal(0)) + line.net
    for group in figures.groups:
        if sums[group.rate] != group.net:
            found.append(f"BT-116: the lines at {group.rate} % do not add up to their base")
        vat = half_up(group.net * group.rate / 100, figures.digits)
        if abs(vat - group.vat) > _apart(figures, group.rate):
            found.append(f"BT-117: the VAT at {group.rate} % is not base times rate")
    for line in figures.lines:
        if half_up(line.quantity * line.price, figures.digits) != line.net:
            found.append(f"BT-131: line {line.number} is not quantity times price")
    return found


def _problems_of_sums(figures: Figures) -> Iterator[str]:
    if sum((line.net for line in figures.lines), Decimal(0)) != figures.net:
        yield "BT-106: the lines do not add up to the net sum"
    if sum((group.vat for group in figures.groups), Decimal(0)) != figures.vat:
        yield "BT-110: the rates do not add up to the VAT"
    left = figures.with_vat - figures.prepaid + figures.rounding
    if figures.net + figures.vat != figures.with_vat or left != figures.due:
        yield "BT-115: net, VAT, rounding and what is set off do not add up to what is due"


def _apart(figures: Figures, rate: Decimal) -> Decimal:
    """Parts of an invoice add up to its VAT; so each may be off by a cent for each line (BR-CO-17 allows a unit)."""
    if figures.preceding is None:
        return Decimal(0)
    return Decimal(sum(line.rate == rate for line in figures.lines)).scaleb(-figures.digits)


def _figures(snapshot: Mapping[str, Any]) -> Figures:
    digits = minor_units(snapshot["currency"])
    lines = tuple(_line(number, one, digits) for number, one in enumerate(snapshot["lines"], 1))
    amount = {name: Decimal(snapshot[name]) for name in ("net", "vat", "rounding")}
    set_off = tuple((one["number"], Decimal(one["amount"])) for one in snapshot.get("set_off", ()))
    prepaid = sum((settled for _number, settled in set_off), Decimal(0))
    return Figures(
        number=snapshot["number"],
        type_code=snapshot["type"],
        issued_on=date.fromisoformat(snapshot["issued_on"]),
        due_on=date.fromisoformat(snapshot["due_on"]),
        currency=snapshot["currency"],
        digits=digits,
        language=snapshot["language"],
        period=_period(snapshot["period"]),
        seller=snapshot["seller"],
        buyer=snapshot["buyer"],
        payment=snapshot["payment"],
        preceding=_preceding(snapshot),
        lines=lines,
        groups=tuple(_group(one) for one in snapshot["vat_groups"]),
        with_vat=amount["net"] + amount["vat"],
        prepaid=prepaid,
        due=Decimal(snapshot["due"]) - prepaid,
        set_off=set_off,
        by_cost_centre=snapshot.get("by_cost_centre", False),
        note=snapshot["seller"].get("text", ""),
        **amount,
    )


def _preceding(snapshot: Mapping[str, Any]) -> Mapping[str, str] | None:
    number = snapshot["preceding"]
    if not number:
        return None
    part = "1" if snapshot.get("part") else ""
    return {"number": number, "issued_on": snapshot["preceding_on"], "part": part}


def _group(group: Mapping[str, str]) -> Group:
    return Group(
        category=group["category"],
        rate=Decimal(group["rate"]),
        net=Decimal(group["net"]),
        vat=Decimal(group["vat"]),
        reason_code=group["reason"] if group["reason"].startswith("VATEX") else "",
        reason=group["reason_text"],
    )


def _line(number: int, line: Mapping[str, Any], digits: int) -> Line:
    zone = ZoneInfo(line["time_zone"])
    begin, end = (datetime.fromisoformat(line[name]).astimezone(zone) for name in ("start", "end"))
    place = line["place"]
    net = Decimal(line["net"])
    sign = -1 if net < 0 else 1
    return Line(
        number=number,
        name=_name(line),
        description=", ".join(filter(None, (place.get("name"), place.get("city"), place.get("evse")))),
        quantity=Decimal(sign),
        unit="C62",
        price=abs(net),
        net=net,
        category=line["vat_category"],
        rate=Decimal(line["vat_rate"]),
        begin=begin.date(),
        end=end.date(),
        attributes=_attributes(line, begin, end),
        cost_centre=line.get("cost_centre", ""),
        source=line,
    )


def _name(line: Mapping[str, Any]) -> str:
    if "reservation" in line:
        return gettext("Reservation")
    if line.get("host"):
        return gettext("Share of a charging session")
    return gettext("Charging at home") if line.get("home") else gettext("Charging session")


def _attributes(line: Mapping[str, Any], begin: datetime, end: datetime) -> tuple[tuple[str, str], ...]:
    told = (
        (gettext("Record"), line["cdr"]),
        (gettext("Begin"), begin.isoformat(timespec="seconds")),
        (gettext("End"), end.isoformat(timespec="seconds")),
        (gettext("Energy (kWh)"), line["energy_kwh"]),
        (gettext("Outlet"), line["place"].get("evse")),
        (gettext("Meter at begin (Wh)"), line["meter_start_wh"]),
        (gettext("Meter at end (Wh)"), line["meter_end_wh"]),
        (gettext("Tariff version"), line["tariff_version"]),
    )
    return tuple((name, str(value)) for name, value in told if value)


def _period(month: str) -> tuple[date, date]:
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=31)).replace(day=1)
    return first, following - timedelta(days=1)
