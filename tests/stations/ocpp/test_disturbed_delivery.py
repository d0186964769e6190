"""However a station's messages arrive, the sessions and their Wh are those of the undisturbed order (F-13, M-03).

A station keeps a message until it has seen it answered. Between it and us messages change their order, come
twice, and are lost on the way here or on the way back; the connection is lost, and made again while what came
by the old one is still at work. ``DISTURBED_SEQUENCES=2000`` is the long run.
"""

import asyncio
import json
import os
from collections.abc import Coroutine, Iterator
from functools import cache
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.access import Actor
from stations.domain.words import Version
from stations.models import ChargingStation, MeterReading, OrphanStop, Transaction, TransactionEvent
from stations.ocpp.ingest import Ingest
from stations.ocpp.pool import Pool
from tests.factories import make_actor, make_organization, make_station, make_token, unique
from tests.stations.ocpp.stories import TOKENS, Message, Story, story
from tests.wire.client import BOOT
from tests.wire.door import Door, watched

SEQUENCES = int(os.environ.get("DISTURBED_SEQUENCES", "240"))
STORIES = 24
STEPS = 8
STATE = (
    "evse__evse_id", "status", "started_at", "ended_at", "last_event_at", "token_value", "charging_state",
    "stopped_reason", "meter_start_wh", "meter_start_at", "meter_start_exact", "meter_last_wh", "meter_last_at",
    "meter_stop_exact", "energy_wh", "power_w", "power_max_w", "measured_at", "first_seq_no", "last_seq_no",
    "event_count",
)  # fmt: skip
Result = TypeVar("Result")


class Place:
    """Where all stations of the test connect: one event loop, one group commit, one pool of threads."""

    def __init__(self) -> None:
        self.alice: Actor = make_actor(make_organization())
        for token in TOKENS:
            make_token(self.alice, token)
        self.site = make_station(self.alice)[0].site
        self.ingest, self.pool = Ingest(), Pool("disturbed-handler", 6, deadline_s=20)
        self._loop = asyncio.new_event_loop()
        self.undisturbed = cache(self._undisturbed)

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(work)

    def connect(self, station: ChargingStation, version: str) -> Door:
        async def made() -> Door:
            return Door(station, Version(version), self.ingest, self.pool)

        return self.do(made())

    def station(self) -> ChargingStation:
        return ChargingStation.objects.create(
            organization_id=self.alice.organization_id, site=self.site, identity=unique("CP")
        )

    def close(self) -> None:
        self.ingest.stop()
        self.pool.close()
        self._loop.close()

    def _undisturbed(self, version: str, number: int) -> dict[str, Any]:
        """What is kept of a story that is told without a fault."""
        told = story(version, number)
        teller = Teller(self, told)
        for place in range(len(told.messages)):
            teller.tell(place)
        kept = kept_of(teller.station)
        ended = [one for one in kept["sessions"] if one["status"] == "ended"]
        assert len(kept["sessions"]) == len({message.session for message in told.messages})
        assert [one["energy_wh"] for one in ended] == told.ended_wh
        return kept


class Teller:
    """A station with messages to get rid of, and the connection that it has at the moment."""

    def __init__(self, place: Place, told: Story) -> None:
        self.story = told
        self.station = place.station()
        self.waiting = list(range(len(told.messages)))
        self.answered: list[int] = []
        self._place = place
        self._numbers: dict[int, int] = {}
        self._door = place.connect(self.station, told.version)
        self._old: list[Door] = []

    def tell(self, *places: int) -> None:
        """Send these one behind the other and wait for the answers."""
        said = self._place.do(self._door.hear(*map(self._text, places)))
        assert [frame[0] for frame in said] == [3] * len(places), said
        for frame in said:
            self._note(int(frame[1]), frame[2])

    def tell_in_vain(self, place: int) -> None:
        """Send it, and lose the connection before it is answered."""

        async def sent() -> None:
            self._door.session.receive(self._text(place))

        self._place.do(sent())
        self.reconnect()

    def reconnect(self) -> None:
        self._door.session.close()
        self._old.append(self._door)
        self._door = self._place.connect(self.station, self.story.version)

    def boot(self) -> None:
        frame = [2, "boot", "BootNotification", BOOT[self.story.version]]
        (answer,) = self._place.do(self._door.hear(json.dumps(frame)))
        assert answer[2]["status"] == "Accepted"

    def ready(self, place: int) -> bool:
        """Whether the station can say it: on 1.6 it needs the number that the answer to the start gave."""
        message = self._message(place)
        return self.story.version != "1.6" or message.begins or message.session in self._numbers

    def finish(self) -> None:
        """Say all that was never answered, in order, and wait for what came by lost connections."""
        for place in list(self.waiting):
            self.tell(place)
        while any(not door.session.idle for door in self._old):
            self._place.do(asyncio.sleep(0.002))
        self._door.session.close()

    def _note(self, place: int, answer: dict[str, Any]) -> None:
        message = self._message(place)
        if message.action == "StartTransaction":
            known = self._numbers.setdefault(message.session, answer["transactionId"])
            assert known == answer["transactionId"]
        if place in self.waiting:
            self.waiting.remove(place)
            self.answered.append(place)

    def _text(self, place: int) -> str:
        message = self._message(place)
        payload = message.payload
        if self.story.version == "1.6" and not message.begins:
            payload = {**payload, "transactionId": self._numbers[message.session]}
        return json.dumps([2, str(place), message.action, payload])

    def _message(self, place: int) -> Message:
        return self.story.messages[place]


def kept_of(station: ChargingStation) -> dict[str, Any]:
    """The sessions by their beginning, and how many rows there are of what must not be there twice."""
    rows = Transaction.objects.filter(station=station).order_by("started_at")
    return {
        "sessions": [
            {name: value for name, value in row.items() if name != "flags"} | {"flags": sorted(row["flags"])}
            for row in rows.values(*STATE, "flags")
        ],
        "events": TransactionEvent.objects.filter(transaction__station=station).count(),
        "readings": MeterReading.objects.filter(station_id=station.pk).count(),
        "orphans": OrphanStop.objects.filter(station=station).count(),
    }


def differences(kept: dict[str, Any], expected: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """What is not as expected, session by session: its name, as it is, as it should be."""
    pairs = list(zip(kept["sessions"], expected["sessions"], strict=False))
    found = [(name, one[name], two[name]) for one, two in pairs for name in one if one[name] != two[name]]
    counts = {**kept, "sessions": len(kept["sessions"])}, {**expected, "sessions": len(expected["sessions"])}
    return found + [
        (name, counts[0][name], counts[1][name]) for name in counts[0] if counts[0][name] != counts[1][name]
    ]


class Delivery(RuleBasedStateMachine):
    """Any way in which messages may come."""

    place: Place
    versions: tuple[str, ...]

    @initialize(data=st.data(), number=st.integers(0, STORIES - 1))
    def begin(self, data: st.DataObject, number: int) -> None:
        version = data.draw(st.sampled_from(self.versions))
        self.restarted = False
        self.expected = self.place.undisturbed(version, number)
        self.teller = Teller(self.place, story(version, number))

    @precondition(lambda self: self._ready())
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Any of the messages, whether it is its turn or not."""
        self.teller.tell(data.draw(st.sampled_from(self._ready())))

    @precondition(lambda self: len(self._ready()) > 1)
    @rule(data=st.data())
    def deliver_some_together(self, data: st.DataObject) -> None:
        some = data.draw(st.lists(st.sampled_from(self._ready()), min_size=2, max_size=4))
        self.teller.tell(*dict.fromkeys(some))

    @precondition(lambda self: self.teller.answered)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        self.teller.tell(data.draw(st.sampled_from(self.teller.answered)))

    @precondition(lambda self: self._ready())
    @rule(data=st.data())
    def lose_the_answer(self, data: st.DataObject) -> None:
        self.teller.tell_in_vain(data.draw(st.sampled_from(self._ready())))

    @rule()
    def lose_the_connection(self) -> None:
        self.teller.reconnect()

    @precondition(lambda self: not self.restarted)
    @rule()
    def restart(self) -> None:
        self.restarted = True
        self.teller.reconnect()
        self.teller.boot()

    def teardown(self) -> None:
        if not hasattr(self, "teller"):
            return
        self.teller.finish()
        assert differences(kept_of(self.teller.station), self.expected) == []

    def _ready(self) -> list[int]:
        return [place for place in self.teller.waiting if self.teller.ready(place)]


@pytest.fixture
def place(committed: None) -> Iterator[Place]:
    here = Place()
    yield here
    here.close()


@pytest.mark.timeout(60 + SEQUENCES)
@pytest.mark.parametrize("versions", [("1.6",), ("2.0.1", "2.1")], ids=["numbered", "evented"])
def test_sessions_and_wh_are_the_same_however_messages_arrive(
    place: Place, versions: tuple[str, ...]
) -> None:
    machine = type("DeliveryHere", (Delivery,), {"place": place, "versions": versions})
    with watched() as troubles:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=SEQUENCES // 2,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

    assert troubles == []
