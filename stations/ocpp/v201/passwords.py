"""A new password on its way to a station by SetVariables (2.0.1 A01): the door opens for both meanwhile (P018)."""

from collections.abc import Iterable
from functools import partial

from core.errors import Invalid
from stations.domain.words import Version
from stations.models import ChargingStation
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Keep
from stations.services import credentials

VARIABLE = "BasicAuthPassword"
SHORTEST = 16
LONGEST = {Version.V201: 40, Version.V21: 64}
TAKEN = {"Accepted": True, "RebootRequired": None}


def change_of(socket: Socket, items: Iterable[Json]) -> Keep | None:
    """What to keep before a new password is sent. Raises :class:`Invalid` for its length (P017)."""
    changes = []
    for item in items:
        if not _is_password(item):
            continue
        password = str(item.get("attributeValue", ""))
        longest = LONGEST[socket.version]
        if not SHORTEST <= len(password) <= longest:
            raise Invalid(f"A password has {SHORTEST} to {longest} characters.", field="items")
        changes.append(partial(credentials.expect_change, socket.station_id, password))
    return changes[-1] if changes else None


def conclude(socket: Socket, results: Iterable[Json]) -> None:
    """The station answered: the new one replaces the old, or is forgotten, or waits for the restart."""
    for result in results:
        if _is_password(result):
            accepted = TAKEN.get(str(result.get("attributeStatus")), False)
            credentials.end_change(ChargingStation.objects.get(pk=socket.station_id), accepted=accepted)


def _is_password(item: Json) -> bool:
    name = (item.get("variable") or {}).get("name")
    return isinstance(name, str) and name.lower() == VARIABLE.lower()
