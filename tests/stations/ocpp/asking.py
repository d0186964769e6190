"""Commands from our side, answered as the station: what the charger receives and how the command ends."""

from typing import Any

from core import clock
from core.access import Actor
from stations.domain.intents import Intent
from stations.models import ChargingStation, Command
from stations.services import commands
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import WireStation

VERSIONS_2X = ("2.0.1", "2.1")
VERSIONS = ("1.6", *VERSIONS_2X)


def now() -> str:
    return clock.to_wire(clock.now())


def issue(charger: Charger, by: Actor, intent: Intent, **manners: Any) -> Command:
    """The command as it was recorded."""
    station = ChargingStation.objects.get(pk=charger.station.pk)
    return commands.issue(station, intent, by=by, **manners)


def ended(command: Command) -> Command:
    """The command once it is settled."""

    def settled() -> bool:
        command.refresh_from_db()
        return command.settled

    eventually(settled, what=f"{command.command} settled")
    return command


def with_effect(command: Command) -> Command:
    """The command once it has ended and its effect was seen or given up; either can be the first."""

    def seen() -> bool:
        command.refresh_from_db()
        return bool(command.effect) and command.settled_at is not None

    eventually(seen, what=f"the effect of {command.command}")
    return command


def ask(
    charger: Charger, socket: WireStation, by: Actor, intent: Intent, answer: Any
) -> tuple[list[Any], Command]:
    """Issue it, answer the CALL that arrives, wait for the end: the CALL and the command."""
    command = issue(charger, by, intent)
    call = socket.next_call()
    socket.reply(call, answer)
    return call, ended(command)
