"""What drivers do themselves: start with a token of their own, stop a session of their own.

A driver's actor holds one permission in the whole organization; what keeps it to the driver's own is here.
"""

from django.db.models import Q
from django.utils.translation import gettext as _

from core.access import Actor, ActorKind, Permission
from core.errors import Conflict, NotFound
from drivers.models import Driver, IdToken, TokenStatus
from stations.domain.intents import RequestStartTransaction, RequestStopTransaction
from stations.domain.words import CommandStatus, ConnectorStatus
from stations.models import Command, Evse, Transaction
from stations.services import commands

STARTABLE = frozenset({ConnectorStatus.AVAILABLE, ConnectorStatus.PLUGGED_IN, ConnectorStatus.RESERVED})
_OPEN = (CommandStatus.PENDING.value, CommandStatus.SENT.value)


def actor_of_driver(driver: Driver, *, address: str = "", request_id: str = "") -> Actor:
    """The driver as who acts; told by id, since neither commands nor the audit keep names of drivers."""
    return Actor(
        kind=ActorKind.USER,
        label=f"driver:{driver.pk}",
        organization_id=driver.organization_id,
        permissions=frozenset({Permission.COMMANDS_SESSION}),
        subject_id=driver.user_id,
        address=address,
        request_id=request_id,
    )


def start(evse: Evse, token: IdToken, *, driver: Driver, by: Actor) -> Command:
    """Ask the station to begin a session; a second try while the first is on its way is the first.

    Raises :class:`NotFound` for a token of somebody else, :class:`Conflict` where token or EVSE cannot be used.
    """
    if token.driver_id != driver.pk or token.retired_at is not None:
        raise NotFound(_("This card is not one of yours."))
    if token.effective_status() != TokenStatus.ACCEPTED:
        raise Conflict(_("This card cannot be used: it is blocked or has expired."))
    if evse.active_id is not None or evse.state not in STARTABLE:
        raise Conflict(_("This charger cannot be started just now."))
    return _on_its_way(evse, by) or commands.issue(evse.station, _wish(evse, token), by=by)


def stop(session: Transaction, *, driver: Driver, by: Actor) -> Command:
    """Ask the station to end the session. Raises :class:`NotFound` for one of somebody else."""
    if session.driver_id != driver.pk:
        raise NotFound(_("This session is not one of yours."))
    on_its_way = session.commands.filter(command=RequestStopTransaction.name, status__in=_OPEN).first()
    intent = RequestStopTransaction(transaction=session.pk)
    return on_its_way or commands.issue(session.station, intent, by=by)


def starts_of(driver_ids: list[object]) -> "Q":
    """The condition on commands that they are starts which one of these drivers asked for."""
    labels = [f"driver:{pk}" for pk in driver_ids]
    return Q(command=RequestStartTransaction.name, issued_by__in=labels)


def _wish(evse: Evse, token: IdToken) -> RequestStartTransaction:
    return RequestStartTransaction(token_value=token.value, token_type=token.type, evse_id=evse.evse_id)


def _on_its_way(evse: Evse, by: Actor) -> Command | None:
    asked = Command.objects.filter(
        station=evse.station, evse_id=evse.evse_id, command=RequestStartTransaction.name, issued_by=by.label
    )
    awaited = Q(status=CommandStatus.ACCEPTED.value, effect="", effect_until__isnull=False)
    return asked.filter(Q(status__in=_OPEN) | awaited).order_by("-id").first()
