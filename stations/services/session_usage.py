"""A session as the pricing engine takes it: readings and states in order of the station's time (T-12, T-15, T-23).

Registers of start and end are those of the session; a reading at the same instant, or less than a Wh beyond
them, says the same with other decimals and gives way.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import NamedTuple

from stations.domain import holding_back
from stations.domain.holding_back import Span
from stations.domain.metering import SampleFlag
from stations.models import ConnectorState, Transaction
from stations.services.session_material import Material, gather
from tariffs.usage import CannotPrice, Metered, Sample, State, state_of

THOUSAND = Decimal(1000)
ROUNDED_WH = Decimal(1)
"""1.6 starts and stops with whole Wh, whatever decimals its readings have."""
REGISTER_DIGITS = 6
_BY_TIME = attrgetter("at")
Said = tuple[datetime, str]
"""A word for what a session does, and since when."""
_NOT_OURS = SampleFlag.OTHER_LOCATION.value


class Kept(NamedTuple):
    """When the reservation that a session uses was accepted, and until when it was kept at most (T-25)."""

    since: datetime
    until: datetime


class _Ends(NamedTuple):
    """A session's own registers, where they are exact, and the span that counts."""

    start: datetime
    end: datetime
    first_wh: Decimal | None
    last_wh: Decimal | None


def usage_of(session: Transaction, *, until: datetime, told: Material | None = None) -> Metered:
    """All that was measured from the start to the end, or to ``until`` while it runs.

    ``told`` is what was gathered for many sessions at once. Raises :class:`tariffs.usage.CannotPrice` where
    there is nothing to price by.
    """
    ends = _ends(session, until)
    material = gather([session])[session.pk] if told is None else told
    samples = [_at_start(ends), *_measured(material, ends), *_states(material, ends)]
    if ends.last_wh is not None:
        samples.append(Sample(ends.end, ends.last_wh / THOUSAND))
    samples.sort(key=_BY_TIME)
    exported = {at: wh for at, wh in material.exported.items() if ends.start <= at <= ends.end}
    if len(set(exported.values())) > 1:
        samples = [_net(one, exported, ends) for one in samples]
        return Metered(samples=tuple(samples), end=ends.end, discharges=True)
    return Metered(samples=tuple(samples), end=ends.end)


def after_reservation(usage: Metered, kept: Kept | None) -> Metered:
    """With the time for which the place was kept before; it ends with the session's start, or its own time.

    Between the two is a gap that belongs to neither; from its start no time counts until the session says what it does.
    """
    start = usage.samples[0].at
    if kept is None or kept.since >= start:
        return usage
    reserved = [Sample(kept.since, state=State.RESERVED)]
    if kept.until < start:
        reserved.append(Sample(max(kept.since, kept.until), state=State.LAPSED))
    return replace(usage, samples=(*reserved, Sample(start, state=State.CONNECTED), *usage.samples))


def between(usage: Metered, first_kwh: Decimal, last_kwh: Decimal) -> Metered:
    """The same session, its register going from one to the other as its readings rose; steadily where they did not.

    For registers that count more than the reported ones, such as signed ones (billing B-63).
    """
    start, end = usage.samples[0].at, usage.end
    known = [one.register_kwh for one in usage.samples if one.register_kwh is not None]
    rises = len(known) > 1 and known[-1] > known[0] and known == sorted(known)
    samples = [Sample(start, first_kwh)]
    for one in usage.samples:
        register = None
        if rises and one.register_kwh is not None and start < one.at < end:
            share = (one.register_kwh - known[0]) / (known[-1] - known[0])
            register = round(first_kwh + share * (last_kwh - first_kwh), REGISTER_DIGITS)
        samples.append(replace(one, register_kwh=register))
    return replace(usage, samples=(*samples, Sample(end, last_kwh)))


def last_state(session: Transaction) -> str:
    """The latest word of a running session for what it does; empty where it said none."""
    if session.number is None:
        return session.charging_state
    rows = ConnectorState.objects.filter(evse=session.evse, connector_id=session.connector_id or 1)
    return rows.order_by("-at", "-id").values_list("status", flat=True).first() or ""


def tells_states(usage: Metered) -> bool:
    """Whether anything said what the time of the session counts as."""
    return any(one.state is not None for one in usage.samples)


def _ends(session: Transaction, until: datetime) -> _Ends:
    start = session.started_at
    latest = max(filter(None, [start, session.measured_at, session.last_event_at]))
    if session.ended_at is not None and session.ended_at < start:
        raise CannotPrice("end_before_start", "The session ends before it starts.")
    end = session.ended_at or max(until, latest)
    first = session.meter_start_wh if session.meter_start_exact else None
    last = session.meter_last_wh if session.ended_at and session.meter_stop_exact else None
    if first is not None and last is not None and last < first:
        raise CannotPrice(
            "register_fell", f"The register fell from {first / THOUSAND} to {last / THOUSAND} kWh."
        )
    return _Ends(start, end, first, last)


def _at_start(ends: _Ends) -> Sample:
    return Sample(ends.start, None if ends.first_wh is None else ends.first_wh / THOUSAND)


def _measured(told: Material, ends: _Ends) -> Iterator[Sample]:
    for at, energy_wh, power_w, *currents, flags in told.readings:
        if not ends.start <= at <= ends.end:
            continue
        elsewhere = _NOT_OURS in (flags or ())
        phases = [amperes for amperes in currents if amperes is not None]
        yield Sample(
            at,
            None if elsewhere else _register(at, energy_wh, ends),
            None if power_w is None else power_w / THOUSAND,
            sum(phases, Decimal(0)) if phases else None,
        )


def _net(one: Sample, exported: Mapping[datetime, Decimal], ends: _Ends) -> Sample:
    """The reading with the balance of both directions; between its ends one that tells only one has none."""
    if one.register_kwh is None:
        return one
    wh = exported.get(one.at)
    if wh is not None:
        return replace(one, register_kwh=one.register_kwh - wh / THOUSAND)
    if one.at in (ends.start, ends.end):
        raise CannotPrice(
            "missing_export", "The car gave energy back, and no reading tells it from start to end."
        )
    return replace(one, register_kwh=None)


def _register(at: datetime, energy_wh: Decimal | None, ends: _Ends) -> Decimal | None:
    if energy_wh is None:
        return None
    at_first = at == ends.start and ends.first_wh is not None
    at_last = at == ends.end and ends.last_wh is not None
    if at_first or at_last:
        return None
    if ends.first_wh is not None and 0 < ends.first_wh - energy_wh < ROUNDED_WH:
        energy_wh = ends.first_wh
    if ends.last_wh is not None and 0 < energy_wh - ends.last_wh < ROUNDED_WH:
        energy_wh = ends.last_wh
    return energy_wh / THOUSAND


def _states(told: Material, ends: _Ends) -> Iterator[Sample]:
    words = [(max(at, ends.start), word) for at, word in told.states if at <= ends.end and state_of(word)]
    waits = holding_back.spans(told.limits, ends.start, ends.end) if told.limits else []
    begins = [begin for begin, _end in waits]
    for at, word in _as_limits_change(words, waits):
        place = bisect_right(begins, at) - 1
        yield Sample(at, state=state_of(word, held_back=place >= 0 and at < waits[place][1]))


def _as_limits_change(words: list[Said], waits: list[Span]) -> list[Said]:
    """What it did, said again where our own limit begins or stops to hold it back."""
    again = [
        (at, before[-1])
        for wait in waits
        for at in wait
        if (before := [word for when, word in words if when <= at])
    ]
    return sorted([*words, *again], key=itemgetter(0)) if again else words
