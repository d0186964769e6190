"""Mutated frames of every action: none is our fault, none costs the socket (P051, P052, P065, P073, P074, P270).

``FUZZ_FRAMES=100000 pytest tests/fuzz`` is the long run; ``FUZZ_SEED`` takes another path than the usual one.
"""

import asyncio
import json
import os
import random
import sys
import traceback
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import pytest

from core import clock
from core.access import Actor
from stations.domain.words import Registration, Version
from stations.models import ChargingStation, Presence, RawFrame
from stations.ocpp.ingest import Ingest
from stations.ocpp.pool import Pool
from stations.services import connections
from tests.factories import make_actor, make_organization, make_station, make_token
from tests.fuzz import valid
from tests.fuzz.judging import complaints
from tests.fuzz.mutations import spoilt
from tests.wire.door import GATEWAY, Door, watched
from tests.wire.examples import SENDS, actions

FRAMES = int(os.environ.get("FUZZ_FRAMES", "2000"))
SEED = os.environ.get("FUZZ_SEED", "")
FRAMES_OF_A_SOCKET = 250
AT_ONCE = (1, 1, 1, 2, 5)
ANSWERS_SHARE = 0.12
SHOWN = 12
Result = TypeVar("Result")


class Run:
    """Frames of one version in turn over many stations, strict and lenient, accepted and not."""

    def __init__(self, version: Version, alice: Actor, ingest: Ingest, pool: Pool) -> None:
        self.chance = random.Random(f"{version} {SEED}")
        self.version = version
        self.heard = 0
        self.frames_of: Counter[UUID] = Counter()
        self.faults: list[str] = []
        self._alice, self._ingest, self._pool = alice, ingest, pool
        self._said = [row.action for row in actions("CS->CSMS", "both") if row.version == version.value]
        self._told = [row.action for row in actions("CSMS->CS", "both") if row.version == version.value]

    async def over(self, stations: Sequence[ChargingStation], frames: int) -> None:
        for number, station in enumerate(stations):
            registration = Registration.PENDING if number % 8 == 7 else Registration.ACCEPTED
            await self._pool.perform(partial(connections.beat, GATEWAY, clock.now()))
            wanted = {"lenient": number % 2 == 1, "registration": registration}
            with Door(station, self.version, self._ingest, self._pool, **wanted) as door:
                until = min(self.heard + FRAMES_OF_A_SOCKET, frames)
                while self.heard < until:
                    await self._turn(door, until - self.heard)
                await self._expect_life(door)

    async def _turn(self, door: Door, most: int) -> None:
        if self.chance.random() < ANSWERS_SHARE:
            await self._answer(door)
            return
        texts = [self._frame() for _ in range(min(self.chance.choice(AT_ONCE), most))]
        said = await self._tried(door.hear(*texts), texts)
        self._count(door, len(texts))
        if said is not None:
            self._judge(texts, said)

    async def _answer(self, door: Door) -> None:
        """One of our calls, answered by one or two that are spoilt, and at last by a right one."""
        action = self.chance.choice(self._told)
        given: list[str] = []

        def texts(message_id: str) -> list[str]:
            spoilt_ones = [self._reply(action, message_id) for _ in range(self.chance.choice((1, 1, 2)))]
            right = valid.payload(self.version, action, self.chance, "Response")
            given.extend([*spoilt_ones, json.dumps([3, message_id, right])])
            return given

        request = valid.payload(self.version, action, self.chance)
        if outcome := await self._tried(door.ask(action, request, self._alice, texts), given):
            command, said = outcome
            if not command.settled:
                self._complain(f"{action} has not ended", given)
            objections = 5 if self.version is Version.V21 else None
            self._judge(given, [frame for frame in said if frame[0] != objections])
        self._count(door, len(given))

    async def _tried(self, work: Awaitable[Result], texts: Sequence[str]) -> Result | None:
        try:
            return await work
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is looked for
            steps = "".join(traceback.format_tb(error.__traceback__)[-2:])
            self._complain(f"{error!r} at {steps}", texts)
            return None

    def _frame(self) -> str:
        action = self.chance.choice(self._said)
        message_id = f"{self.heard // 5}-{self.chance.randrange(4)}"
        payload = valid.payload(self.version, action, self.chance)
        return spoilt([6 if action in SENDS else 2, message_id, action, payload], self.chance)

    def _reply(self, action: str, message_id: str) -> str:
        kind = self.chance.choice((3, 3, 3, 3, 3, 3, 4, 5))
        if kind == 3:
            frame = [3, message_id, valid.payload(self.version, action, self.chance, "Response")]
        else:
            code = self.chance.choice(("NotImplemented", "NotSupported", "InternalError", "Odd", ""))
            frame = [kind, message_id, code, "why", {}]
        return spoilt(frame, self.chance)

    async def _expect_life(self, door: Door) -> None:
        said = await door.hear('[2,"alive","Heartbeat",{}]')
        self.frames_of[door.socket.station_id] += 1
        if [frame[1] for frame in said] != ["alive"]:
            self.faults.append(f"no heartbeat any more: {said}")

    def _judge(self, texts: Sequence[str], said: Sequence[Any]) -> None:
        for complaint in complaints(self.version, texts, said):
            self._complain(complaint, texts)

    def _complain(self, complaint: str, texts: Sequence[str]) -> None:
        self.faults.append(f"{complaint}\n  after {[text[:1500] for text in texts]}")

    def _count(self, door: Door, frames: int) -> None:
        self.heard += frames
        self.frames_of[door.socket.station_id] += frames


@pytest.fixture
def door_parts(committed: None) -> Iterator[tuple[Ingest, Pool]]:
    ingest, pool = Ingest(), Pool("fuzz-handler", 4, deadline_s=20)
    yield ingest, pool
    ingest.stop()
    pool.close()


@pytest.fixture
def alice(committed: None) -> Actor:
    actor = make_actor(make_organization())
    for value in ("ALICE", "BOB"):
        make_token(actor, value)
    return actor


@pytest.mark.timeout(120 + FRAMES // 20)
@pytest.mark.parametrize("version", Version)
def test_p065_mutated_frames_of_every_action_are_answered_logged_and_never_our_fault(
    door_parts: tuple[Ingest, Pool], alice: Actor, version: Version
) -> None:
    ingest, pool = door_parts
    run = Run(version, alice, ingest, pool)
    stations = [make_station(alice)[0] for _ in range(-(-FRAMES // FRAMES_OF_A_SOCKET))]
    Presence.objects.filter(station__in=stations).update(connected=True, epoch=1, gateway=GATEWAY)

    with watched() as troubles:
        asyncio.run(run.over(stations, FRAMES))
        ingest.stop()

    assert "\n".join([*run.faults[:SHOWN], *troubles[:SHOWN]]) == ""
    assert run.heard >= FRAMES
    rows = RawFrame.objects.filter(station__in=stations, direction="in")
    assert Counter(rows.values_list("station", flat=True)) == run.frames_of
    verdicts = Counter(rows.values_list("verdict", flat=True))
    assert {"ok", "repaired", "dropped"} <= set(verdicts)
    sys.stdout.write(f"{version}: {run.heard} frames {dict(verdicts.most_common())}\n")
