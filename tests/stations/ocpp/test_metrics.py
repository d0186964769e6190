"""What `/metrics` tells of the chargers' door: messages, commits, queues, connections, commands (M-19)."""

import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.access import Actor
from stations.domain.intents import ResetStation
from stations.models import Command
from stations.services import commands
from tests.factories import make_station
from tests.running import Server, start_server
from tests.stations.ocpp.knocking import Charger, next_address
from tests.stations.ocpp.test_locked_rows import held, status
from tests.waiting import eventually

TOKEN = "a token of the metrics"
Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def watched(django_db_setup: None) -> Iterator[Server]:
    with start_server(METRICS_TOKEN=TOKEN) as server:
        yield server


def told(server: Server) -> Figures:
    asked = urllib.request.Request(f"{server.http_url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }


def messages(action: str, verdict: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return "ocpp_messages_total", (("action", action), ("verdict", verdict))


def test_messages_are_counted_by_action_and_verdict_and_commits_by_size_and_time(
    watched: Server, alice: Actor
) -> None:
    charger = Charger(watched.ocpp_url, *make_station(alice), next_address())
    with charger.dial() as socket:
        socket.boot()
        socket.call("Heartbeat", {})
        value = {"timestamp": "2026-11-20T10:00:00Z", "sampledValue": [{"value": "5"}]}
        for _ in range(3):
            socket.call("MeterValues", {"connectorId": 1, "meterValue": [value]})
        socket.send([2, "x", "Heartbeat", {"surplus": 1}])
        assert socket.receive()[0] == 4
        during = told(watched)
    after = eventually(lambda: (found := told(watched))["ocpp_connections", ()] == 0 and found)

    assert during[messages("MeterValues", "ok")] == 3
    assert during[messages("Heartbeat", "ok")] == 1
    assert sum(value for (name, labels), value in during.items()
               if name == "ocpp_messages_total" and ("action", "Heartbeat") in labels) == 2  # fmt: skip
    assert during["ocpp_batch_facts_sum", ()] == during["ocpp_batch_facts_count", ()] == 4
    assert 0 < during["ocpp_commit_seconds_sum", ()] < 5
    assert during["ocpp_connections", ()] == during["ocpp_sockets", ()] == 1
    for queue in ("facts_waiting", "facts_set_aside", "handler_calls_waiting", "command_calls_waiting"):
        assert after[f"ocpp_{queue}", ()] == 0


def test_commands_are_timed_by_their_outcome(watched: Server, alice: Actor) -> None:
    charger = Charger(watched.ocpp_url, *make_station(alice), next_address())
    with charger.dial() as socket:
        socket.boot()
        for word in ("Accepted", "Rejected", "Accepted"):
            command = commands.issue(charger.station, ResetStation(kind="on_idle"), by=alice)
            socket.reply(socket.next_call(), {"status": word})
            eventually(lambda pk=command.pk: Command.objects.get(pk=pk).settled)
        figures = eventually(lambda: (found := told(watched)).get(counted("accepted")) == 2 and found)

    assert figures[counted("rejected")] == 1
    assert 0 < figures["ocpp_command_seconds_sum", (("outcome", "accepted"),)] < 10


def counted(outcome: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return "ocpp_command_seconds_count", (("outcome", outcome),)


def test_a_fact_that_waited_for_a_row_is_counted_once_with_its_whole_wait(
    watched: Server, alice: Actor
) -> None:
    charger = Charger(watched.ocpp_url, *make_station(alice), next_address())
    with charger.dial() as socket:
        socket.boot()
        socket.call("StatusNotification", status("Available"))
        before = told(watched)
        with held("connector", charger.station) as let_go:
            socket.send([2, "s", "StatusNotification", status("Preparing")])
            eventually(lambda: told(watched)["ocpp_facts_set_aside", ()] == 1)
            begun = time.monotonic()
            eventually(lambda: time.monotonic() - begun > 0.6)
            waiting = told(watched)
            let_go()
            assert socket.receive()[:2] == [3, "s"]
    after = told(watched)

    count, total = ("ocpp_commit_seconds_count", ()), ("ocpp_commit_seconds_sum", ())
    assert waiting[count] == before[count]
    assert after[count] == before[count] + 1
    assert after[total] - before[total] > 0.6
