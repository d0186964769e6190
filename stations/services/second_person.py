"""When one person is not enough: configuration, firmware, certificates and reset of many stations (security.md W-21).

What is asked for many stations at once waits for another's word above the threshold. What is said to one station
after the other is counted, and refused above it: who it was asks for all of them at once. What was agreed on, and what
nobody says by themselves (rollouts, plans that come due, the portal), is not counted.

Who locks what: the row of the organization, so that wishes made at the same time count each other.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from core import clock
from core.access import Actor, ActorKind
from core.errors import Conflict
from core.ids import uuid7_of
from core.models import ApiKey, Organization
from stations.domain.intents import Intent
from stations.domain.intents.raw import Call
from stations.models import BulkCommand, BulkPart, ChargingStation, Command, ScheduledCommand
from stations.models.commands import NEEDS_TWO
from stations.services import access

A_DAY = timedelta(days=1)
WINDOW = timedelta(minutes=10)
RAW = frozenset(
    {"Reset", "ChangeConfiguration", "SetVariables", "UpdateFirmware", "SignedUpdateFirmware", "PublishFirmware",
     "UnpublishFirmware", "InstallCertificate", "DeleteCertificate", "SetNetworkProfile"}
)  # fmt: skip
"""The same in OCPP's own words."""
_OF_THE_KIND = Q(command__in=NEEDS_TWO) & (~Q(command=Call.name) | Q(parameters__action__in=RAW))
_APPROVED = BulkCommand.Approval.APPROVED


def is_counted(intent: Intent, by: Actor) -> bool:
    """Whether the intent is of those kinds, and a person or a program of theirs says it."""
    if by.kind not in {ActorKind.USER, ActorKind.KEY}:
        return False
    return intent.action in RAW if isinstance(intent, Call) else intent.name in NEEDS_TWO


def require_few(station: ChargingStation, *, by: Actor) -> None:
    """Raise :class:`Conflict` where the actor told as many other stations lately as one person may.

    Called inside a transaction, which then tells the station.
    """
    one_after_the_other(by)
    if _told_lately(by, station) >= max(settings.SECOND_PERSON_ABOVE, 1):
        raise Conflict(
            f"Above {settings.SECOND_PERSON_ABOVE} stations within ten minutes a second person has to agree. Ask for "
            "all of them at once by POST /api/v1/commands/, which another person or key then approves, or wait."
        )


def needs_two(stations: Sequence[ChargingStation], intent: Intent, *, by: Actor) -> bool:
    """Whether these stations, with those told by one person alone within a day, are more than one may tell."""
    if intent.name not in NEEDS_TWO:
        return False
    one_after_the_other(by)
    alone = BulkPart.objects.filter(
        bulk__organization_id=by.home,
        bulk__command__in=NEEDS_TWO,
        bulk__approval="",
        bulk__issued_at__gt=clock.now() - A_DAY,
        refusal="",
    )
    return bool(len(stations) + alone.count() > settings.SECOND_PERSON_ABOVE)


def one_after_the_other(by: Actor) -> None:
    """Wait for what others of the organization ask for at the same time."""
    Organization.objects.select_for_update(no_key=True).get(pk=by.home)


def _told_lately(by: Actor, station: ChargingStation) -> int:
    """How many other stations were told or are planned to be, by whatever way in the same person acts."""
    names = _names_of(by)
    told = _of(Command.objects.filter(scheduled_run=None), by, names, station)
    planned = _of(ScheduledCommand.objects.all(), by, names, station)
    return told.union(planned).count()


def _of(rows: QuerySet[Any], by: Actor, names: set[str], station: ChargingStation) -> QuerySet[Any]:
    since = uuid7_of(clock.now() - WINDOW, 0)
    own = rows.filter(_OF_THE_KIND, organization_id=by.home, id__gt=since, issued_by__in=names)
    others = own.exclude(station=station).exclude(bulk_part__bulk__approval=_APPROVED)
    return others.order_by().values_list("station_id", flat=True)


def _names_of(by: Actor) -> set[str]:
    person = access.person_behind(by)
    keys = ApiKey.objects.filter(organization_id=by.home, created_by=person).values_list("name", flat=True)
    return {by.label[:200], person, *(f"key:{name}"[:200] for name in keys)}
