"""F-13, M-03: whatever the order and the repeats of a station's messages, the sessions and their Wh are the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle, groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.access import Actor
from stations.domain import metering
from stations.domain.events import (
    MeterSample,
    Stamp,
    TokenShown,
    TransactionEventReported,
    TransactionStarted,
    TransactionStopped,
)
from stations.domain.station import StationRef
from stations.models import ChargingStation, MeterReading, Transaction, TransactionEvent
from stations.services import transactions
from stations.services.batches import Item, Writer
from stations.services.batches.items import Log
from stations.services.transactions import figures
from tests.factories import make_actor, make_organization, make_station, make_token, unique

BEGAN = datetime(2025, 3, 1, 10, tzinfo=UTC)
RECEIVED = datetime(2025, 3, 2, 10, tzinfo=UTC)
TOKEN = "04A1B2C3D4"
QUIET = {
    "max_examples": 10,
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}
STATE = (
    "reference", "status", "started_at", "ended_at", "last_event_at", "token_value", "token_seq_no",
    "charging_state", "stopped_reason", "connector_id", "first_seq_no", "last_seq_no", "event_count",
    "meter_start_wh", "meter_start_at", "meter_start_exact", "meter_last_wh", "meter_last_at", "meter_stop_exact",
    "energy_wh", "power_w", "power_max_w", "soc_start_percent", "soc_percent", "measured_at",
)  # fmt: skip

Message = Callable[[StationRef], Any]


@pytest.fixture
def alice(db: None) -> Actor:
    actor = make_actor(make_organization())
    make_token(actor, TOKEN)
    return actor


def fresh_station(alice: Actor) -> StationRef:
    first = ChargingStation.objects.filter(organization_id=alice.organization_id).first()
    site = first.site if first else make_station(alice)[0].site
    row = ChargingStation.objects.create(
        organization_id=alice.organization_id, site=site, identity=unique("CP")
    )
    return StationRef(
        station_id=row.id, organization_id=row.organization_id, site_id=site.id, max_power_w=22_000
    )


def stamp(minute: int) -> Stamp:
    return Stamp(occurred_at=BEGAN + timedelta(minutes=minute), received_at=RECEIVED)


def measured(minute: int, wh: int, **others: int) -> MeterSample:
    samples = [{"value": wh, "context": others.pop("context", None)}]
    samples += [{"value": value, "measurand": name} for name, value in others.items()]
    return metering.from_v2x(samples, occurred_at=BEGAN + timedelta(minutes=minute))


def state_of(station: StationRef, names: Sequence[str] = STATE) -> list[dict[str, Any]]:
    """Without the answer about the token: whether it charges elsewhere is asked at the moment it is shown."""
    rows = Transaction.objects.filter(station_id=station.station_id).order_by("started_at")
    return [
        {
            **{name: getattr(row, name) for name in names},
            "flags": sorted(set(row.flags) - {"not_authorized"}),
        }
        for row in rows
    ]


def differences(
    actual: StationRef, expected: StationRef, names: Sequence[str] = STATE
) -> list[tuple[str, Any, Any]]:
    """What differs, session by session."""
    pairs = zip(state_of(actual, names), state_of(expected, names), strict=True)
    return [(name, one[name], two[name]) for one, two in pairs for name in one if one[name] != two[name]]


def counts_of(station: StationRef) -> tuple[int, int]:
    return (
        TransactionEvent.objects.filter(transaction__station_id=station.station_id).count(),
        MeterReading.objects.filter(station_id=station.station_id).count(),
    )


# -- 2.x ------------------------------------------------------------------------------------------------------


def events_of(
    reference: str, minutes: Sequence[int], start_wh: int, *, ended: bool, shown_at: int
) -> list[TransactionEventReported]:
    """A session with an event at each of the minutes and a register in most; the token in one of them."""
    events = []
    for seq_no, minute in enumerate(minutes):
        first, last = seq_no == 0, ended and seq_no == len(minutes) - 1
        kind = "Started" if first else "Ended" if last else "Updated"
        wh = start_wh + (minute - minutes[0]) * 150
        details = {"Power.Active.Import": 9000 - minute, "SoC": 20 + seq_no} if seq_no % 2 else {}
        if first or last:
            details["context"] = "Transaction.Begin" if first else "Transaction.End"  # type: ignore[assignment]
        events.append(
            TransactionEventReported(
                kind=kind,
                reference=reference,
                seq_no=seq_no,
                trigger_reason="CablePluggedIn" if first else "MeterValuePeriodic",
                stamp=stamp(minute),
                evse_id=1 if first else None,
                connector_id=1 if first else None,
                token=TokenShown(value=TOKEN, type="ISO14443") if seq_no == shown_at else None,
                charging_state="" if last else ["EVConnected", "Charging", "SuspendedEV"][seq_no % 3],
                stopped_reason="EVDisconnected" if last else "",
                samples=(measured(minute, wh, **details),) if seq_no != 2 else (),
                content={"reference": reference, "seq": seq_no},
            )
        )
    return events


@st.composite
def two_sessions(draw: st.DrawFn) -> tuple[list[TransactionEventReported], list[TransactionEventReported]]:
    """Events in order, and the same with repeats in any order. The first session may lack its end."""
    first = sorted(draw(st.sets(st.integers(0, 50), min_size=2, max_size=6)))
    second = sorted(draw(st.sets(st.integers(60, 110), min_size=2, max_size=5)))
    in_order = events_of("A", first, 1000, ended=draw(st.booleans()), shown_at=1) + events_of(
        "B", second, 20_000, ended=True, shown_at=0
    )
    repeats = draw(st.lists(st.sampled_from(in_order), max_size=6))
    return in_order, draw(st.permutations(in_order + repeats))


@given(story=two_sessions())
@settings(**QUIET)
def test_events_in_any_order_and_number_make_the_same_sessions(alice: Actor, story: Any) -> None:
    in_order, shuffled = story
    expected, actual = fresh_station(alice), fresh_station(alice)
    for event in in_order:
        transactions.apply_event(expected, event)
    for event in shuffled:
        transactions.apply_event(actual, event)

    assert differences(actual, expected) == []
    assert counts_of(actual) == counts_of(expected)
    assert state_of(actual)[-1]["status"] == "ended"


@dataclass(frozen=True, kw_only=True)
class Connected(StationRef):
    """A station as the group commit knows it."""

    epoch: int = 1
    memory: dict[str, Any] = field(default_factory=dict)


def store_together(station: StationRef, events: Sequence[TransactionEventReported]) -> None:
    """As one batch of the group commit; every message is stored."""
    speaker = Connected(**{field.name: getattr(station, field.name) for field in fields(StationRef)})
    items = [Item(speaker, [event], "", lambda _error: None) for event in events]
    assert Writer().store(items, Log()).errors == [None] * len(items)


@given(story=two_sessions(), sizes=st.lists(st.integers(1, 5), min_size=1))
@settings(**QUIET)
def test_the_group_commit_makes_the_same_sessions_as_single_messages(
    alice: Actor, story: Any, sizes: list[int]
) -> None:
    """The events that have no token go in batches of any size, the others one by one."""
    in_order, shuffled = story
    expected, actual = fresh_station(alice), fresh_station(alice)
    for event in in_order:
        transactions.apply_event(expected, event)
    waiting = [list(group) for _, group in groupby(shuffled, key=lambda event: event.kind == "Updated")]
    for size, group in zip(cycle(sizes), waiting, strict=False):
        for start in range(0, len(group), size):
            _store(actual, group[start : start + size])

    assert differences(actual, expected) == []
    assert counts_of(actual) == counts_of(expected)


def _store(station: StationRef, events: Sequence[TransactionEventReported]) -> None:
    if events[0].kind == "Updated" and not any(event.token for event in events):
        store_together(station, events)
        return
    for event in events:
        transactions.apply_event(station, event)


@given(story=two_sessions())
@settings(**QUIET)
def test_a_repeated_event_gets_the_answer_of_the_first(alice: Actor, story: Any) -> None:
    _, shuffled = story
    station = fresh_station(alice)
    answers: dict[tuple[str, int], Any] = {}
    for event in shuffled:
        outcome = transactions.apply_event(station, event)
        known = answers.setdefault((event.reference, event.seq_no), outcome.decision)
        assert outcome.decision == known
        assert (outcome.decision is not None) == (event.token is not None)


# -- 1.6 ------------------------------------------------------------------------------------------------------


class Numbered:
    """A 1.6 session as messages; those after the start need the number that it was given."""

    def __init__(self, begins: int, ends: int, start_wh: int, readings: Sequence[int], stopped: bool) -> None:
        self._start = TransactionStarted(
            evse_id=1,
            connector_id=1,
            token=TokenShown(value=TOKEN),
            meter_start_wh=Decimal(start_wh),
            stamp=stamp(begins),
        )
        self._samples = [measured(minute, start_wh + (minute - begins) * 150) for minute in readings]
        self._end = (ends, Decimal(start_wh + (ends - begins) * 150)) if stopped else None

    def messages(self) -> list[Message]:
        later: list[Message] = [lambda s, one=sample: self._read(s, one) for sample in self._samples]
        return [self._begin, *later, *([self._stop] if self._end else [])]

    def _begin(self, station: StationRef) -> Any:
        outcome = transactions.start(station, self._start)
        return outcome.transaction.pk, outcome.decision

    def _read(self, station: StationRef, sample: MeterSample) -> None:
        pk, _ = self._begin(station)
        figures.merge([(pk, figures.Candidates([sample], contexts_count=False), 22_000)])

    def _stop(self, station: StationRef) -> Any:
        assert self._end is not None
        number = transactions.start(station, self._start).transaction.number
        minute, register_wh = self._end
        stopped = TransactionStopped(
            number=number, meter_stop_wh=register_wh, stamp=stamp(minute), token=TokenShown(value=TOKEN)
        )
        return transactions.stop(station, stopped).decision


@st.composite
def numbered_sessions(draw: st.DrawFn) -> tuple[list[Message], list[Message]]:
    sessions = [
        Numbered(0, 50, 1000, draw(st.lists(st.integers(0, 80), max_size=4)), draw(st.booleans())),
        Numbered(60, 110, 20_000, draw(st.lists(st.integers(55, 140), max_size=4)), True),
    ]
    in_order = [message for session in sessions for message in session.messages()]
    repeats = draw(st.lists(st.sampled_from(in_order), max_size=5))
    return in_order, draw(st.permutations(in_order + repeats))


@given(story=numbered_sessions())
@settings(**QUIET)
def test_numbered_sessions_are_the_same_in_any_order_of_messages(alice: Actor, story: Any) -> None:
    in_order, shuffled = story
    expected, actual = fresh_station(alice), fresh_station(alice)
    for message in in_order:
        message(expected)
    for message in shuffled:
        message(actual)

    names = [name for name in STATE if name != "reference"]
    assert differences(actual, expected, names) == []
    assert counts_of(actual) == counts_of(expected)
