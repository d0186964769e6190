"""Whether a price agrees with itself and with its session, before it is sealed (billing B-05)."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from stations.models import FrozenTariff, SessionCost, Transaction

SECOND_H = Decimal(1) / 3600
MILLISECOND = timedelta(milliseconds=1)
"""Instants of a price are cut to these."""
ROUNDED = Decimal("0.001")
"""The total and its parts have four decimals each, so that a sum of some may differ by a little."""
_PARTS = ("energy", "time", "parking", "fixed", "reservation")
_BEFORE_START = frozenset({"RESERVATION_TIME", "RESERVATION_FLAT"})
_SIDES = ("excl_vat", "incl_vat")


def differences(session: Transaction, cost: SessionCost) -> Iterator[str]:
    """What does not agree, one sentence each; nothing where all does."""
    frozen = FrozenTariff.objects.filter(pk=session.pk).first()
    reserved_from = frozen.reserved_from if frozen else None
    yield from _of_time(session, min(reserved_from or session.started_at, session.started_at), cost.answer)
    for line in cost.answer["lines"]:
        yield from _of_periods(session, line)
    yield from of_price(cost.answer)
    if frozen is not None and frozen.currency != cost.currency:
        yield f"priced in {cost.currency} by a tariff in {frozen.currency}"


def of_price(answer: Mapping[str, Any]) -> Iterator[str]:
    """What in a price alone does not agree."""
    yield from _of_parts(answer)
    excl, incl = (answer["total_cost"][side] for side in _SIDES)
    if excl is not None and incl is not None and Decimal(excl) > 0 and Decimal(incl) < Decimal(excl):
        yield f"{incl} with VAT is less than {excl} without"


def _of_time(session: Transaction, begin: datetime, answer: Mapping[str, Any]) -> Iterator[str]:
    """A place that was reserved is priced from the acceptance on (tariffs T-25)."""
    assert session.ended_at is not None
    hours = Decimal((session.ended_at - begin).total_seconds()) / 3600
    total, parking = Decimal(answer["total_time"]), Decimal(answer["total_parking_time"])
    if abs(total - hours) > SECOND_H:
        yield f"{total} h priced, {hours:.6f} h from start to end"
    if parking > total + SECOND_H:
        yield f"{parking} h of parking in {total} h"


def _of_periods(session: Transaction, line: Mapping[str, Any]) -> Iterator[str]:
    """Strictly in order, none before the start or after the end."""
    last = None
    for begin, end in (map(datetime.fromisoformat, pair) for pair in line["periods"]):
        early = begin < session.started_at - MILLISECOND and line["dimension"] not in _BEFORE_START
        late = session.ended_at is not None and end > session.ended_at
        if early or late:
            yield f"a period of {line['dimension']} from {begin} to {end} lies outside of the session"
        if end < begin or (last is not None and begin < last):
            yield f"the periods of {line['dimension']} are not in order at {begin}"
        last = end


def _of_parts(answer: Mapping[str, Any]) -> Iterator[str]:
    """Costs by dimension and what a least or greatest price adds or takes make the total."""
    limits = [line for line in answer["lines"] if line["dimension"] == "LIMIT"]
    for side in _SIDES:
        parts = [answer[f"total_{name}_cost"][side] for name in _PARTS] + [line[side] for line in limits]
        total = answer["total_cost"][side]
        if total is None or None in parts:
            continue
        summed = sum(map(Decimal, parts), Decimal(0))
        if abs(summed - Decimal(total)) > ROUNDED:
            yield f"parts of {summed} make a total of {total} ({side})"
