"""Mutated frames over a real WebSocket to the running portal (P051, P052, P065, P074)."""

import random
import re

import pytest

from stations.domain.words import Version
from stations.models import RawFrame
from tests.fuzz import valid
from tests.fuzz.mutations import spoilt
from tests.running import Server
from tests.stations.ocpp.opening import opener
from tests.waiting import eventually
from tests.wire.examples import SENDS, actions

BATCHES, FRAMES_OF_A_BATCH = 12, 30
FAILED = re.compile(r'Traceback|ocpp\.handler_failed|ocpp\.own_answer_invalid|" 500 |status\W+500\b')


@pytest.mark.timeout(120)
@pytest.mark.parametrize("version", Version)
def test_p065_p270_hundreds_of_mutated_frames_leave_the_socket_alive_the_servers_log_clean_and_none_unlogged(
    live: Server, version: Version
) -> None:
    chance = random.Random(f"wire {version}")
    read_before = live.log.stat().st_size
    with opener(live) as connect:
        wire = connect(version.value)
        for batch in range(BATCHES):
            for number in range(FRAMES_OF_A_BATCH):
                wire.send(mutated(version, f"{batch}-{number}", chance))
            assert "currentTime" in wire.call("Heartbeat", {}, f"alive-{batch}")
        row = wire.row

    live.require_alive()
    heard = RawFrame.objects.filter(station=row, direction="in")
    sent = BATCHES * (FRAMES_OF_A_BATCH + 1) + 1
    eventually(lambda: heard.count() == sent, what="every frame in the log (P270), with the boot's")
    assert FAILED.findall(live.log.read_bytes()[read_before:].decode(errors="replace")) == []
    said = RawFrame.objects.filter(station=row, direction="out")
    eventually(lambda: said.filter(type=4).count() > BATCHES, what="the refusals in the log")
    assert not said.filter(text__contains="InternalError").exists()


def mutated(version: Version, message_id: str, chance: random.Random) -> str:
    """A frame of one of the version's actions with something wrong, as text that a WebSocket carries."""
    said = [row.action for row in actions("CS->CSMS", "both") if row.version == version.value]
    action = chance.choice(said)
    payload = valid.payload(version, action, chance)
    frame = [6 if action in SENDS else 2, message_id, action, payload]
    return spoilt(frame, chance).encode(errors="replace").decode()
