"""Every typed command by its example: what the encoder makes of it is right by schema, and the answer is stored."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from django.apps import apps

from core import clock
from core.access import Actor
from portal.api.command_bodies import BODIES, EXAMPLES
from stations.domain.intents import Intent
from stations.models import ChargingStation
from tests.factories import make_token
from tests.stations.ocpp.asking import VERSIONS, ended, issue
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_effects import begin
from tests.stations.ocpp.test_every_action import path_to_station
from tests.stations.ocpp.typed_commands import ANSWERS, ELSEWHERE, TOLD
from tests.wire.client import WireStation
from tests.wire.examples import fullest, schema

ROWS = [(name, version) for name, told in TOLD.items() for version in VERSIONS if told.action(version)]


@pytest.mark.parametrize(("name", "version"), ROWS)
def test_a_command_is_said_as_its_schema_wants_and_its_answer_changes_what_is_stored(
    charger: Charger, alice: Actor, name: str, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intent_of(name, charger, socket, alice))
        call = socket.next_call()
        before = contents(charger.station)
        socket.reply(call, ANSWERS.get(name) or fullest(version, call[2], "Response"))
        ended(command)
        socket.call("Heartbeat", {})

    after = contents(charger.station)
    assert call[2] == TOLD[name].action(version)
    jsonschema.validate(call[3], schema(version, call[2]))
    assert command.status == "accepted"
    assert command.response is not None
    changed = {model for model, rows in after.items() if rows != before[model]}
    assert set(TOLD[name].changes) <= changed
    if not TOLD[name].changes:
        assert changed <= {"Command", "Presence", "Connection", "RawFrame"}


def test_every_command_is_in_the_table_or_tested_elsewhere() -> None:
    assert set(TOLD) | set(ELSEWHERE) == set(EXAMPLES)
    assert not set(TOLD) & set(ELSEWHERE)


def intent_of(name: str, charger: Charger, socket: WireStation, alice: Actor) -> Intent:
    """The intent of the command's example, about a session that runs and a time that is to come."""
    example: dict[str, Any] = {"command": name, **EXAMPLES[name]}
    if "transaction" in example:
        example["transaction"] = str(begin(charger, socket, make_token(alice)).pk)
    if name == "reserve_now":
        example["expires_at"] = clock.to_wire(clock.now() + timedelta(hours=1))
    body = BODIES[name](data=example)
    body.is_valid(raise_exception=True)
    return body.intent(body.validated_data)


def contents(station: ChargingStation) -> Mapping[str, str]:
    """Everything that is kept of a station, by the name of its model."""
    return {
        model.__name__: str(list(model._default_manager.filter(**{path: station.pk}).order_by("pk").values()))
        for model in apps.get_app_config("stations").get_models()
        if (path := path_to_station(model)) is not None
    }
