"""When one person is not enough: configuration, firmware, certificates and reset of many stations (security.md W-21).

What is asked for many stations at once waits for another's word above the threshold. What is said to one station
after the other is counted, and refused above it: who it was asks for all of them at once. Both count the same
stations, each once: of commands, plans and rollouts of one person. Plans count as they are written down and where
they come within ten minutes of what is asked for; when they come due they are never refused. What was agreed on, what
the portal says by itself, and what was taken back or ended before it left is not counted.

Who locks what: the row of the organization, so that wishes made at the same time count each other.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from core import clock
from core.access import Actor, ActorKind
from core.errors import Passing
from core.ids import uuid7_of
from core.models import Organization
from stations.domain.intents import Intent
from stations.domain.intents.raw import Call
from stations.domain.recurrence import Recurrence
from stations.domain.rollouts import RolloutStatus
from stations.models import BulkCommand, ChargingStation, Command, RolloutStation, ScheduledCommand
from stations.models.commands import NEEDS_TWO
from stations.services import access

A_DAY = timedelta(days=1)
WINDOW = timedelta(minutes=10)
RAW = frozenset(
    {"reset", "changeconfiguration", "setvariables", "updatefirmware", "signedupdatefirmware", "publishfirmware",
     "unpublishfirmware", "installcertificate", "deletecertificate", "certificatesigned", "setnetworkprofile"}
)  # fmt: skip
"""The same in OCPP's own words, in small letters."""
TRIGGERS = frozenset({"triggermessage", "extendedtriggermessage"})
"""With a message that asks for a certificate (SignChargePointCertificate and the like) they renew it."""
SIGNING = "sign"
_RAW_SAID = Q(parameters__action__iregex=rf"^({'|'.join(sorted(RAW))})$")
_RAW_TRIGGERED = Q(
    parameters__action__iregex=rf"^({'|'.join(sorted(TRIGGERS))})$",
    parameters__payload__requestedMessage__istartswith=SIGNING,
)
_OF_THE_KIND = Q(command__in=NEEDS_TWO) & (~Q(command=Call.name) | _RAW_SAID | _RAW_TRIGGERED)
_APPROVED = BulkCommand.Approval.APPROVED


def is_counted(intent: Intent, by: Actor) -> bool:
    """Whether the intent is of those kinds, and a person or a program of theirs says it."""
    return by.kind in {ActorKind.USER, ActorKind.KEY} and _is_of_the_kind(intent)


def _is_of_the_kind(intent: Intent) -> bool:
    return _is_raw(intent) if isinstance(intent, Call) else intent.name in NEEDS_TWO


def _is_raw(call: Call) -> bool:
    action, message = call.action.casefold(), str(call.payload.get("requestedMessage", "")).casefold()
    return action in RAW or (action in TRIGGERS and message.startswith(SIGNING))


def person_of(intent: Intent, by: Actor) -> UUID | None:
    """Who is kept with a command or plan, so that it counts for that person; nobody where it is never counted."""
    return by.person_id if is_counted(intent, by) else None


class Coming(NamedTuple):
    """When stations are told: at a time, or from then on again and again."""

    at: datetime
    repeats: bool = False


def require_few(station: ChargingStation, *, by: Actor, coming: Coming | None = None) -> None:
    """Raise :class:`Conflict` where the actor told as many other stations lately as one person may, or as many
    others are to be told at the same time. Without ``coming`` the station is told at once.

    Called inside a transaction, which then tells the station.
    """
    one_after_the_other(by)
    others = _told_alone(by, WINDOW, coming) - {station.pk}
    if len(others) >= max(settings.SECOND_PERSON_ABOVE, 1):
        raise Passing(
            f"Above {settings.SECOND_PERSON_ABOVE} stations within ten minutes a second person has to agree. Ask for "
            "all of them at once by POST /api/v1/commands/, which another person or key then approves, or wait.",
            retry_after_s=int(WINDOW.total_seconds()),
        )


def needs_two(
    stations: Sequence[ChargingStation], intent: Intent, *, by: Actor, coming: Coming | None = None
) -> bool:
    """Whether these stations are more than one may tell, with those that the actor told alone within a day or that
    are to be told at the same time."""
    return _is_of_the_kind(intent) and are_too_many(
        {station.pk for station in stations}, by=by, coming=coming
    )


def are_too_many(stations: AbstractSet[UUID], *, by: Actor, coming: Coming | None = None) -> bool:
    """The same for what is of those kinds, of stations by their ids."""
    one_after_the_other(by)
    told = _told_alone(by, A_DAY, coming) | stations
    return bool(len(told) > settings.SECOND_PERSON_ABOVE)


def one_after_the_other(by: Actor) -> None:
    """Wait for what others of the organization ask for at the same time."""
    Organization.objects.select_for_update(no_key=True).get(pk=by.home)


def _told_alone(by: Actor, within: timedelta, coming: Coming | None) -> set[UUID]:
    """The stations that were told or are planned to be, by whatever way in the same person acts."""
    now = clock.now()
    since, when = uuid7_of(now - within, 0), coming or Coming(now)
    planned = _alone(ScheduledCommand.objects.filter(status=ScheduledCommand.Status.PLANNED), by)
    meeting = planned.filter(_meeting(when) | Q(id__gt=since))
    found = _stations(_told(since, by)).union(_stations(meeting), _rolled_out(by, now - within))
    return set(found) | {plan.station_id for plan in _repeated(planned, when) if _comes(plan, when.at)}


def _told(since: UUID, by: Actor) -> QuerySet[Any]:
    """Commands said since then that reached the station or still may; of plans written down before, those of the last
    ten minutes."""
    never_left = Q(sent_at=None, settled_at__isnull=False)
    run = Q(scheduled_run__scheduled_id__gt=since) | Q(id__gt=uuid7_of(clock.now() - WINDOW, 0))
    rows = Command.objects.filter(~never_left, Q(scheduled_run=None) | run, id__gt=since)
    return _alone(rows, by).exclude(scheduled_run__scheduled__bulk_part__bulk__approval=_APPROVED)


def _meeting(coming: Coming) -> Q:
    """What is repeated meets every plan sooner or later."""
    return (
        Q(next_at__isnull=False)
        if coming.repeats
        else Q(next_at__range=(coming.at - WINDOW, coming.at + WINDOW))
    )


def _repeated(planned: QuerySet[Any], coming: Coming) -> QuerySet[Any]:
    return planned.exclude(repeat="").filter(next_at__lt=coming.at - WINDOW).select_related("station__site")


def _comes(plan: ScheduledCommand, at: datetime) -> bool:
    zone = plan.station.site.time_zone
    time = Recurrence.read(plan.repeat, start=plan.run_at, zone=zone).after(at - WINDOW)
    return time is not None and time <= at + WINDOW


def _alone(rows: QuerySet[Any], by: Actor) -> QuerySet[Any]:
    own = rows.filter(_OF_THE_KIND, organization_id=by.home, person_id=by.person_id)
    return own.exclude(bulk_part__bulk__approval=_APPROVED)


def _stations(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.order_by().values_list("station_id", flat=True)


def _rolled_out(by: Actor, since: datetime) -> QuerySet[Any]:
    rows = RolloutStation.objects.filter(
        organization_id=by.home,
        wave__isnull=False,
        rollout__approved_at=None,
        rollout__requested_owner=access.person_behind(by),
        rollout__requested_at__gt=since,
    ).exclude(rollout__status=RolloutStatus.AWAITING_APPROVAL.value)
    return _stations(rows)
