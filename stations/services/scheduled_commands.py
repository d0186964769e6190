"""Commands for later (spec of the API, ``run_at`` and ``repeat``): planned, issued when due, cancelled.

What is scarce: nothing; who locks what: the row of the plan, for the one process that serves it. Each time at which a
plan is due leaves one row (``ScheduledRun``, unique by plan and time), written in the transaction that issues the
command, so that none is issued twice. A time that passed more than ``LATE`` ago, since nothing ran then, is written
down as missed and not made up for: stations are not to open at night because the portal was away in the morning.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

import orjson
from cryptography.exceptions import InvalidTag
from django.db.models import QuerySet
from django.db.transaction import atomic

from core import audit, clock, keys
from core.access import Actor, ActorKind, Permission
from core.errors import Conflict, DomainError, Invalid, NotPermitted
from core.services import outbox
from stations.domain import intents
from stations.domain.intents import Intent
from stations.domain.recurrence import Recurrence
from stations.models import ChargingStation, ScheduledCommand, ScheduledRun
from stations.services import access, commands, concealing, preconditions, second_person

LATE = timedelta(minutes=15)
FURTHEST = timedelta(days=731)
MOST_PLANNED = 100
SERVED_AT_ONCE = 200
MOST_MISSED = 100
SEALED_FOR = "scheduled_command"

Status = ScheduledCommand.Status
Outcome = ScheduledRun.Outcome


@dataclass(frozen=True, slots=True)
class When:
    """At ``run_at``; with ``repeat`` at each time that the rule has from then on, or from now without ``run_at``."""

    run_at: datetime | None = None
    repeat: str = ""


class Manners(TypedDict, total=False):
    """How each command is issued; see :func:`write_down`."""

    patience_s: int
    if_offline: str
    reason: str


def plan(
    station: ChargingStation, intent: Intent, *, when: When, by: Actor, **manners: Unpack[Manners]
) -> ScheduledCommand:
    """Write down a command for later. Raises :class:`NotPermitted`, :class:`NotFound`, :class:`Invalid`
    and :class:`Conflict`: beyond 100 plans of a station, and where one person told so many stations alone (W-21).
    """
    if not second_person.is_counted(intent, by):
        return write_down(station, intent, when=when, by=by, **manners)
    by.require(commands.permission_of(intent), station)
    with atomic():
        second_person.require_few(station, by=by, coming=coming(when))
        return write_down(station, intent, when=when, by=by, **manners)


def coming(when: When) -> second_person.Coming:
    """The same for who counts what one person tells alone."""
    return second_person.Coming(when.run_at or clock.now(), bool(when.repeat))


def write_down(
    station: ChargingStation,
    intent: Intent,
    *,
    when: When,
    by: Actor,
    patience_s: int = commands.DEFAULT_PATIENCE_S,
    if_offline: str = "fail",
    reason: str = "",
) -> ScheduledCommand:
    """As :func:`plan`, without asking how many stations were told: for what was agreed on."""
    by.require(commands.permission_of(intent), station)
    preconditions.check_manners(intent, patience_s, if_offline)
    now = clock.now()
    first = _first(station, when, now)
    parameters = intents.to_json(intent)
    preconditions.require_storable(parameters)
    with atomic():
        _require_room(station)
        scheduled = ScheduledCommand.objects.create(
            organization_id=station.organization_id,
            station=station,
            command=intent.name,
            parameters=concealing.parameters(
                station.organization_id, intent.name, orjson.loads(orjson.dumps(parameters))
            ),
            sealed=keys.seal(orjson.dumps(parameters).decode(), purpose=SEALED_FOR),
            run_at=when.run_at or now,
            repeat=when.repeat,
            next_at=first,
            expires_in=patience_s,
            if_offline=if_offline,
            reason=reason.replace("\x00", "")[:500],
            created_at=now,
            person_id=second_person.person_of(intent, by),
            **_owner(by),
        )
        changes = {"next_at": [None, first.isoformat()], "repeat": [None, scheduled.repeat]}
        audit.record("command.scheduled", scheduled, by=by, reason=reason, changes=changes)
        _tell("command.scheduled", scheduled)
    return scheduled


def cancel(scheduled: ScheduledCommand, *, by: Actor) -> ScheduledCommand:
    """Take back what is still to come. Raises :class:`Conflict` where nothing is."""
    by.require(permission_of(scheduled), scheduled)
    with atomic():
        held = _planned().filter(pk=scheduled.pk).first()
        if held is None:
            raise Conflict("Nothing of this plan is still to come; there is nothing to take back.")
        held.status, held.next_at = Status.CANCELLED, None
        held.ended_at, held.cancelled_by = clock.now(), by.label[:200]
        held.save(update_fields=["status", "next_at", "ended_at", "cancelled_by"])
        audit.record("command.unscheduled", held, by=by)
        _tell("command.unscheduled", held)
    return held


def run_due(now: datetime) -> int:
    """Serve every plan that is due; how many times were issued, missed or refused. Safe to run at any time."""
    due = ScheduledCommand.objects.filter(status=Status.PLANNED, next_at__lte=now).order_by("next_at")
    return sum(_serve(pk, now) for pk in list(due.values_list("pk", flat=True)[:SERVED_AT_ONCE]))


def next_times(scheduled: ScheduledCommand, count: int) -> list[datetime]:
    """The times that come next, at most so many."""
    times: list[datetime] = []
    moment = scheduled.next_at
    while moment is not None and len(times) < count:
        times.append(moment)
        moment = _after(scheduled, moment)
    return times


def _serve(pk: Any, now: datetime) -> int:
    with atomic():
        scheduled = _planned(skip_locked=True).filter(pk=pk).first()
        served = 0
        while scheduled is not None and _is_due(scheduled, now) and served < MOST_MISSED:
            assert scheduled.next_at is not None
            _serve_time(scheduled, scheduled.next_at, now)
            _advance(scheduled, now)
            served += 1
    return served


def _is_due(scheduled: ScheduledCommand, now: datetime) -> bool:
    return scheduled.next_at is not None and scheduled.next_at <= now


def _planned(*, skip_locked: bool = False) -> QuerySet[ScheduledCommand]:
    """Plans of which something is to come, held until the end of the transaction; who serves passes over held ones."""
    rows = ScheduledCommand.objects.select_related("station__site", "station__presence")
    return rows.select_for_update(of=("self",), skip_locked=skip_locked).filter(status=Status.PLANNED)


def _serve_time(scheduled: ScheduledCommand, due_at: datetime, now: datetime) -> None:
    run = ScheduledRun(scheduled=scheduled, due_at=due_at, recorded_at=now)
    if now - due_at > LATE:
        run.outcome, run.detail = Outcome.MISSED, "Nothing ran at that time, and it is too late now."
    else:
        _issue(scheduled, run)
    run.save(force_insert=True)
    if run.outcome != Outcome.ISSUED:
        _tell(f"command.{run.outcome}", scheduled, due_at=due_at.isoformat(), detail=run.detail)


def _issue(scheduled: ScheduledCommand, run: ScheduledRun) -> None:
    try:
        with atomic():
            run.command = commands.say(
                scheduled.station,
                _intent(scheduled),
                by=_actor(scheduled),
                patience_s=scheduled.expires_in,
                if_offline=scheduled.if_offline,
                reason=scheduled.reason,
            )
        run.outcome = Outcome.ISSUED
    except DomainError as error:
        run.outcome, run.detail = Outcome.REFUSED, error.message[:500]


def _advance(scheduled: ScheduledCommand, now: datetime) -> None:
    assert scheduled.next_at is not None
    scheduled.next_at = _after(scheduled, scheduled.next_at)
    if scheduled.next_at is None:
        scheduled.status, scheduled.ended_at = Status.DONE, now
    scheduled.save(update_fields=["next_at", "status", "ended_at"])


def _after(scheduled: ScheduledCommand, moment: datetime) -> datetime | None:
    if not scheduled.repeat or scheduled.station.retired_at is not None:
        return None
    zone = scheduled.station.site.time_zone
    return Recurrence.read(scheduled.repeat, start=scheduled.run_at, zone=zone).after(moment)


def _first(station: ChargingStation, when: When, now: datetime) -> datetime:
    if when.run_at is None and not when.repeat:
        raise Invalid("Say when: give run_at or repeat.", field="run_at")
    start = when.run_at or now
    if not now <= start <= now + FURTHEST:
        raise Invalid("Choose a time that lies ahead, at most two years.", field="run_at")
    if not when.repeat:
        return start
    first = Recurrence.read(when.repeat, start=start, zone=station.site.time_zone).first(start)
    if first is None:
        raise Invalid("The rule never comes.", field="repeat")
    return first


def _require_room(station: ChargingStation) -> None:
    ChargingStation.objects.select_for_update().get(pk=station.pk)
    planned = ScheduledCommand.objects.filter(station=station, status=Status.PLANNED).count()
    if station.retired_at is not None:
        raise Conflict("The station is retired.")
    if planned >= MOST_PLANNED:
        raise Conflict(f"{planned} commands are planned for this station. Cancel some first.")


def _owner(by: Actor) -> dict[str, Any]:
    if by.kind not in {ActorKind.USER, ActorKind.KEY} or by.subject_id is None:
        raise NotPermitted("Only a member or a key of the organization can plan commands.")
    return {"owner_kind": by.kind.value, "owner_id": by.subject_id, "issued_by": by.label[:200]}


def _actor(scheduled: ScheduledCommand) -> Actor:
    """Who planned it, with what that one may do now."""
    actor = access.actor_again(scheduled.owner_kind, scheduled.owner_id, scheduled.organization_id)
    if actor is None:
        raise NotPermitted("Who planned this is no longer here. Plan it anew in your own name.")
    return replace(actor, owner_id=scheduled.person_id or actor.owner_id)


def _intent(scheduled: ScheduledCommand) -> Intent:
    try:
        plain = keys.unseal(scheduled.sealed, purpose=SEALED_FOR)
    except (InvalidTag, KeyError) as error:
        raise Conflict("What this plan says cannot be read. Cancel it and plan it anew.") from error
    return intents.from_json(scheduled.command, orjson.loads(plain))


def permission_of(scheduled: ScheduledCommand) -> Permission:
    """What planning it needed; a plan that cannot be read any more can still be taken back."""
    try:
        return commands.permission_of(_intent(scheduled))
    except Conflict:
        return Permission.COMMANDS_STATION


def _tell(kind: str, scheduled: ScheduledCommand, **more: Any) -> None:
    data = {
        "id": str(scheduled.pk),
        "station": str(scheduled.station_id),
        "command": scheduled.command,
        "status": scheduled.status,
        "repeat": scheduled.repeat,
        "next_at": scheduled.next_at.isoformat() if scheduled.next_at else None,
        "issued_by": scheduled.issued_by,
        **more,
    }
    outbox.record(
        kind,
        organization_id=scheduled.organization_id,
        object_id=scheduled.pk,
        data=data,
        limit_id=scheduled.station.site_id,
    )
