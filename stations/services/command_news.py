"""Tells, after the commit, whoever waits for a command: its gateway, its issuer, the pages."""

from typing import NamedTuple
from uuid import UUID

from django.db.transaction import on_commit

from core import bus
from stations import live
from stations.domain.words import CommandStatus


class Place(NamedTuple):
    """A command, and where those are who watch it."""

    command_id: UUID
    organization_id: UUID
    station_id: UUID
    site_id: UUID | None


def waits(place: Place, gateway: str, epoch: int) -> None:
    """It waits for the station that this gateway holds with this epoch."""
    note = {"command": str(place.command_id), "station": str(place.station_id), "epoch": epoch}
    _announce((f"gateway.{gateway}", note), _news(place))


def settled(place: Place, status: CommandStatus) -> None:
    """It has ended; whoever issued it may wait for that."""
    _announce((f"command.{place.command_id}", {"status": status.value}), _news(place))


def changed(place: Place) -> None:
    """Pages that show it should look again."""
    _announce(_news(place))


def _announce(*notes: tuple[str, bus.Message]) -> None:
    on_commit(lambda: bus.announce_all(notes))


def _news(place: Place) -> tuple[str, bus.Message]:
    message = live.message("command", place.command_id, site_id=place.site_id, station_id=place.station_id)
    return live.topic_of(place.organization_id), message
