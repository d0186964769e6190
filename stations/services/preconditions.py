"""What must hold of a command before it is written down."""

from typing import Any
from uuid import UUID

from core.access import Actor
from core.errors import Conflict, Invalid, NotFound
from stations.domain.intents import Intent
from stations.domain.words import TransactionStatus
from stations.models import ChargingStation, Command, Transaction

MAX_PATIENCE_S = 86_400
MAX_NUMBER = 2**31 - 1


def check_manners(intent: Intent, patience_s: int, if_offline: str) -> None:
    """How long the command may wait, and for what."""
    if not 1 <= patience_s <= MAX_PATIENCE_S:
        raise Invalid(f"A command can wait 1 to {MAX_PATIENCE_S} seconds.", field="expires_in")
    if if_offline not in Command.IfOffline.values:
        raise Invalid("Choose “fail” or “wait”.", field="if_offline")
    if if_offline == "wait" and not intent.may_wait:
        raise Invalid(f"“{intent.name}” never waits for a station that is offline.", field="if_offline")


def require_evse(station: ChargingStation, evse_id: int | None, connector_id: int | None = None) -> None:
    """The station has that EVSE, as far as it told; the numbers are such as OCPP has."""
    for name, number in (("evse_id", evse_id), ("connector_id", connector_id)):
        if number is not None and not 0 <= number <= MAX_NUMBER:
            raise Invalid(f"A whole number from 0 to {MAX_NUMBER} is expected.", field=name)
    known = set(station.evses.values_list("evse_id", flat=True)) if evse_id else set()
    if known and evse_id not in known:
        raise Invalid(f"The station has no EVSE {evse_id}; it has {sorted(known)}.", field="evse_id")


def running(station: ChargingStation, transaction_id: UUID, by: Actor) -> Transaction:
    """The session of that id while it runs at the station. Raises :class:`NotFound` and :class:`Conflict`."""
    found = Transaction.objects.visible_to(by).filter(pk=transaction_id, station=station).first()
    if found is None:
        raise NotFound("There is no such session at this station.", field="transaction")
    if found.status != TransactionStatus.ACTIVE:
        raise Conflict("The session has ended already.", field="transaction")
    return found


def require_storable(value: Any) -> None:
    """Raise :class:`Invalid` for a text with NUL, which the database cannot store."""
    if isinstance(value, str) and "\x00" in value:
        raise Invalid("A text holds the character NUL, which cannot be stored.")
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for inner in value:
            require_storable(inner)
