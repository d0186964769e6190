"""Tariffs and sessions in the short notation of these tests."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tariffs import parsing, pricing
from tariffs.pricing import Basis, Metered, Options, Price, Recorded, RecordedPeriod, Rounding, Sample, State
from tariffs.structure import Tariff

BERLIN = ZoneInfo("Europe/Berlin")
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
ZULU = ZoneInfo("UTC")


def at(text: str, zone: ZoneInfo = ZULU, fold: int = 0) -> datetime:
    """`2026-03-02 20:50`, or `20:50` of that Monday, on the wall clock of a zone."""
    day = "" if "-" in text else "2026-03-02 "
    return datetime.fromisoformat(day + text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


def component(kind: str, price: str, vat: str | None = None, step: int = 0) -> dict[str, Any]:
    """One price component as OCPI writes it."""
    body = {"type": kind, "price": Decimal(price), "step_size": step}
    return body if vat is None else {**body, "vat": Decimal(vat)}


def element(*components: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    """One tariff element as OCPI writes it."""
    body: dict[str, Any] = {"price_components": list(components)}
    if restrictions:
        body["restrictions"] = restrictions
    return body


def document(*elements: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A whole tariff as OCPI writes it."""
    return {
        "country_code": "NL",
        "party_id": "CHY",
        "id": "T1",
        "currency": "EUR",
        "elements": list(elements),
        "last_updated": "2026-01-01T00:00:00Z",
        **fields,
    }


def tariff(*elements: dict[str, Any], **fields: Any) -> Tariff:
    return parsing.parse_tariff(document(*elements, **fields))


def period(start: datetime, **volumes: str) -> RecordedPeriod:
    """A period of a charge detail record: `energy_kwh`, `time_h`, ..., `min_power`, ..."""
    return RecordedPeriod(start=start, **{name: Decimal(value) for name, value in volumes.items()})


def recorded(end: datetime, *periods: RecordedPeriod, start: datetime | None = None) -> Recorded:
    return Recorded(start=start or periods[0].start, end=end, periods=periods)


def sample(
    instant: datetime,
    kwh: str | None = None,
    state: State | None = None,
    *,
    power: str | None = None,
    current: str | None = None,
) -> Sample:
    return Sample(
        at=instant,
        register_kwh=None if kwh is None else Decimal(kwh),
        power_kw=None if power is None else Decimal(power),
        current_a=None if current is None else Decimal(current),
        state=state,
    )


def metered(*samples: Sample, end: datetime | None = None, discharges: bool = False) -> Metered:
    return Metered(samples=samples, end=end or samples[-1].at, discharges=discharges)


def charging(start: datetime, minutes: float, kwh: str = "0", begin: str = "0") -> Metered:
    """A session that charges evenly from start to end."""
    end = start + timedelta(minutes=minutes)
    total = str(Decimal(begin) + Decimal(kwh))
    return metered(sample(start, begin, State.CHARGING), sample(end, total))


def minutes(count: int | str) -> str:
    """Minutes as hours, for periods; only those with a finite decimal."""
    hours = Decimal(count) / 60
    assert hours * 60 == Decimal(count)
    return str(hours)


def price(
    of: Tariff,
    session: Metered | Recorded,
    zone: ZoneInfo = ZULU,
    *,
    basis: Basis = Basis.GROSS,
    **options: Any,
) -> Price:
    return pricing.price(of, session, zone=zone, rounding=Rounding(basis=basis), options=Options(**options))


def payable(of: Price) -> tuple[str, str, str]:
    """What is payable without tax, the tax, and with it, as text."""
    parts = (of.payable.excl, of.payable.vat, of.payable.incl)
    return tuple("unknown" if part is None else str(part.amount) for part in parts)  # type: ignore[return-value]


def lines(of: Price) -> list[tuple[str, int | None, Mapping[str, Any] | Any, Any]]:
    """Dimension, element, measured and billed of each line."""
    return [(line.counted.value, line.element, line.measured, line.billed) for line in of.lines]
