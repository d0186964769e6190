"""One wish towards many stations (spec of the API, ``/commands/``): each gets a command or a plan of its own.

What is scarce: the time of the request that asks, so the number of stations is bounded. All commands are issued
in one database transaction; a station that cannot be told is noted with the reason and holds up no other. Who locks
what: an approval and a withdrawal the row of the wish, so that it is issued once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag
from django.db.models import QuerySet
from django.db.transaction import atomic

from core import audit, clock, keys
from core.access import Actor, ActorKind, system
from core.errors import Conflict, DomainError, Invalid, NotPermitted
from stations.domain import intents
from stations.domain.intents import Intent
from stations.domain.words import CommandStatus
from stations.models import BulkCommand, BulkPart, ChargingStation, Command, ScheduledCommand
from stations.services import access, commands, concealing, preconditions, scheduled_commands, second_person
from stations.services.bulk_reach import Fits, Reach, for_all, reach
from stations.services.scheduled_commands import When

MOST_STATIONS = 500
REFUSED = "refused"
AWAITING = "awaiting_approval"
SEALED_FOR = "bulk_command"
A_DAY = timedelta(days=1)
FILTERS: Mapping[str, str] = {
    "stations": "pk__in",
    "site": "site_id",
    "vendor": "vendor",
    "model": "model",
    "firmware_version": "firmware_version",
    "tag": "tags__contains",
}

Approval = BulkCommand.Approval


class Manners(NamedTuple):
    """How each command is issued; with ``when`` it is planned."""

    patience_s: int = commands.DEFAULT_PATIENCE_S
    if_offline: str = "fail"
    reason: str = ""
    when: When | None = None


AT_ONCE = Manners()
SYSTEM = system("bulk_commands")


def targets(wanted: Mapping[str, Any], *, by: Actor) -> QuerySet[ChargingStation]:
    """The stations that fit every given filter (``FILTERS``), oldest first. Raises :class:`Invalid` for none given."""
    if not wanted:
        raise Invalid("Name stations, or filter them by at least one of their fields.", field="filter")
    rows = ChargingStation.objects.live().visible_to(by)
    for name, value in wanted.items():
        rows = rows.filter(**{FILTERS[name]: [value] if name == "tag" else value})
    return rows.order_by("id")


def preview(
    stations: Sequence[ChargingStation],
    intent: Intent,
    *,
    by: Actor,
    manners: Manners = AT_ONCE,
    fits: Fits = for_all,
) -> Reach:
    """Whom :func:`issue` would tell, and whom it would pass over. Raises as that does."""
    check(stations, intent, by=by)
    preconditions.check_manners(intent, manners.patience_s, manners.if_offline)
    return reach(stations, intent, fits)


def issue(
    stations: Sequence[ChargingStation],
    intent: Intent,
    *,
    by: Actor,
    manners: Manners = AT_ONCE,
    fits: Fits = for_all,
) -> BulkCommand:
    """Issue or plan the intent for each of the stations. Raises as :func:`commands.issue` for what is wrong for all.

    Above ``SECOND_PERSON_ABOVE`` stations what changes or restarts them waits a day for another's :func:`approve`.
    Who is passed over by ``fits`` is kept with the reason, and is told nothing.
    """
    reached = preview(stations, intent, by=by, manners=manners, fits=fits)
    coming = scheduled_commands.coming(manners.when) if manners.when else None
    with atomic():
        bulk = _kept(intent, by, manners)
        if second_person.needs_two(reached.told, intent, by=by, coming=coming):
            _await_approval(bulk, intent, by, manners)
            parts = [BulkPart(bulk=bulk, station=station) for station in reached.told]
        else:
            bulk.save(force_insert=True)
            parts = [_part(bulk, station, intent, by, manners) for station in reached.told]
        parts += [_refused(bulk, station, why) for station, why in reached.passed_over]
        BulkPart.objects.bulk_create(parts)
        changes = {
            "stations": [None, len(parts)],
            "parameters": [None, concealing.for_audit(bulk.parameters)],
        }
        asked = "asked_for" if bulk.approval else "issued"
        audit.record(f"command.{asked}_to_many", bulk, by=by, reason=manners.reason, changes=changes)
    return bulk


def check(stations: Sequence[ChargingStation], intent: Intent, *, by: Actor) -> None:
    """Raise :class:`NotPermitted`, :class:`NotFound` or :class:`Invalid` where it could not be issued to them."""
    for station in stations:
        by.require(commands.permission_of(intent), station)
    if not stations:
        raise Invalid("No station fits.", field="filter")
    if len(stations) > MOST_STATIONS:
        raise Invalid(f"These are more than {MOST_STATIONS} stations. Tell them in parts.", field="stations")


def approve(bulk: BulkCommand, *, by: Actor, fits: Fits = for_all) -> BulkCommand:
    """The second person's word: issue or plan what was asked for, in the name of who asked.

    Raises :class:`NotPermitted` for who asked for it themselves, :class:`Conflict` where nothing waits for approval
    any more or who asked may not do it any longer.
    """
    with atomic():
        held = BulkCommand.objects.select_for_update().get(pk=bulk.pk)
        if held.approval != Approval.AWAITED or held.expires_at <= clock.now():
            raise Conflict("This does not wait for approval any more. Ask for it anew.")
        waiting = held.parts.filter(refusal="").select_related("station__site", "station__presence")
        parts = list(waiting.order_by("id"))
        intent, manners = _unsealed(held)
        check([part.station for part in parts], intent, by=by)
        if access.person_behind(by) == held.requested_owner:
            raise NotPermitted("Who asked for this cannot approve it. Ask another person.")
        asker = access.actor_again(held.owner_kind, held.owner_id, held.organization_id)  # type: ignore[arg-type]
        _require_still_possible([part.station for part in parts], intent, manners, asker)
        assert asker is not None
        unfit = _unfit([part.station for part in parts], intent, fits)
        _decide(held, Approval.APPROVED, by)
        held.expires_at = clock.now() + timedelta(seconds=manners.patience_s)
        held.save()
        for part in parts:
            why = unfit.get(part.station)
            told = (
                _refused(held, part.station, why)
                if why
                else _part(held, part.station, intent, asker, manners)
            )
            part.command, part.plan, part.refusal = told.command, told.plan, told.refusal
        BulkPart.objects.bulk_update(parts, ["command", "plan", "refusal"])
        audit.record("command.approved_to_many", held, by=by, changes={"stations": [None, len(parts)]})
    return held


def expire(now: datetime) -> int:
    """Withdraw what nobody approved within a day; what was asked for is forgotten."""
    overdue = BulkCommand.objects.filter(approval=Approval.AWAITED, expires_at__lte=now)
    return overdue.update(approval=Approval.WITHDRAWN, sealed="", decided_by=SYSTEM.label, decided_at=now)


def _require_still_possible(
    stations: Sequence[ChargingStation], intent: Intent, manners: Manners, asker: Actor | None
) -> None:
    """Raise :class:`Conflict` for what an approval would only use up."""
    if asker is None:
        raise Conflict("Who asked for this is no longer here. Ask for it anew.")
    try:
        check(stations, intent, by=asker)
    except DomainError as error:
        raise Conflict("Who asked for this may not do it any longer. Ask for it in your own name.") from error
    run_at = manners.when.run_at if manners.when else None
    if run_at is not None and run_at <= clock.now():
        raise Conflict("The time for which it was planned has passed. Ask for it anew.")


def _unfit(stations: Sequence[ChargingStation], intent: Intent, fits: Fits) -> dict[ChargingStation, str]:
    """Who is passed over now, and why. Raises :class:`Conflict` where nobody would be told."""
    try:
        return dict(reach(stations, intent, fits).passed_over)
    except Invalid as error:
        raise Conflict("None of these stations can be told this any more. Ask for it anew.") from error


def counts(bulk: BulkCommand) -> dict[str, int]:
    """How many commands or plans stand how, how many stations could not be told (``refused``) or wait for approval."""
    rows = bulk.parts.values_list("command__status", "plan__status", "refusal")
    untold = AWAITING if bulk.approval == Approval.AWAITED else CommandStatus.CANCELLED.value
    found = Counter(sent or planned or (REFUSED if refusal else untold) for sent, planned, refusal in rows)
    return dict(sorted(found.items()))


def cancel(bulk: BulkCommand, *, by: Actor) -> int:
    """Take back what was not sent yet, is still planned or not approved. Answers with how many stations that
    were; :class:`Conflict` for none.
    """
    cancelled = _withdraw(bulk, by) + _cancel_plans(bulk, by)
    pending = Command.objects.filter(bulk_part__bulk=bulk, status=CommandStatus.PENDING.value)
    for command in pending.select_related("station").order_by("id"):
        try:
            commands.cancel(command, by=by)
        except Conflict:
            continue  # sent meanwhile
        cancelled += 1
    if not cancelled:
        raise Conflict("None of its commands is still pending; there is nothing to take back.")
    return cancelled


def _cancel_plans(bulk: BulkCommand, by: Actor) -> int:
    cancelled = 0
    plans = ScheduledCommand.objects.filter(bulk_part__bulk=bulk, status=ScheduledCommand.Status.PLANNED)
    for plan in plans.select_related("station").order_by("id"):
        try:
            scheduled_commands.cancel(plan, by=by)
        except Conflict:
            continue  # its last time came meanwhile
        cancelled += 1
    return cancelled


def _withdraw(bulk: BulkCommand, by: Actor) -> int:
    with atomic():
        held = BulkCommand.objects.select_for_update().get(pk=bulk.pk)
        if held.approval != Approval.AWAITED:
            return 0
        parts = list(held.parts.filter(refusal="").select_related("station"))
        check([part.station for part in parts], _unsealed(held)[0], by=by)
        _decide(held, Approval.WITHDRAWN, by)
        held.save()
        audit.record("command.withdrawn_to_many", held, by=by)
    bulk.approval, bulk.decided_by, bulk.decided_at = held.approval, held.decided_by, held.decided_at
    return len(parts)


def _decide(held: BulkCommand, approval: Approval, by: Actor) -> None:
    held.approval, held.sealed = approval, ""
    held.decided_by, held.decided_at = by.label[:200], clock.now()


def _kept(intent: Intent, by: Actor, manners: Manners) -> BulkCommand:
    now = clock.now()
    when = manners.when or When()
    return BulkCommand(
        organization_id=by.home,
        command=intent.name,
        parameters=concealing.parameters(
            by.home, intent.name, orjson.loads(orjson.dumps(intents.to_json(intent)))
        ),
        reason=manners.reason.replace("\x00", "")[:500],
        issued_by=by.label[:200],
        issued_at=now,
        expires_at=now + timedelta(seconds=manners.patience_s),
        run_at=when.run_at,
        repeat=when.repeat,
    )


def _await_approval(bulk: BulkCommand, intent: Intent, by: Actor, manners: Manners) -> None:
    if by.kind not in {ActorKind.USER, ActorKind.KEY} or by.subject_id is None:
        raise NotPermitted("Only a member or a key of the organization can ask for this.")
    told = {
        "intent": intents.to_json(intent),
        "patience_s": manners.patience_s,
        "if_offline": manners.if_offline,
    }
    bulk.sealed = keys.seal(orjson.dumps(told).decode(), purpose=SEALED_FOR)
    bulk.approval, bulk.expires_at = Approval.AWAITED, bulk.issued_at + A_DAY
    bulk.owner_kind, bulk.owner_id = by.kind.value, by.subject_id
    bulk.requested_owner = access.person_behind(by)
    bulk.save(force_insert=True)


def _unsealed(held: BulkCommand) -> tuple[Intent, Manners]:
    try:
        told = orjson.loads(keys.unseal(held.sealed, purpose=SEALED_FOR))
    except (InvalidTag, KeyError) as error:
        raise Conflict("What was asked for cannot be read any more. Ask for it anew.") from error
    when = When(held.run_at, held.repeat) if held.planned else None
    manners = Manners(told["patience_s"], told["if_offline"], held.reason, when)
    return intents.from_json(held.command, told["intent"]), manners


def _part(
    bulk: BulkCommand, station: ChargingStation, intent: Intent, by: Actor, manners: Manners
) -> BulkPart:
    own: dict[str, Any] = {
        "patience_s": manners.patience_s,
        "if_offline": manners.if_offline,
        "reason": manners.reason,
    }
    try:
        with atomic():
            if manners.when is not None:
                plan = scheduled_commands.write_down(station, intent, when=manners.when, by=by, **own)
                return BulkPart(bulk=bulk, station=station, plan=plan)
            command = commands.say(station, intent, by=by, **own)
    except DomainError as error:
        return _refused(bulk, station, error.message)
    return BulkPart(bulk=bulk, station=station, command=command)


def _refused(bulk: BulkCommand, station: ChargingStation, why: str) -> BulkPart:
    return BulkPart(bulk=bulk, station=station, refusal=why[:500])
