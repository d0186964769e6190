"""The one path from a wish to a station: a row first, a frame later (DESIGN section 6).

What is scarce: the station, which takes one CALL at a time. Who locks what: every step is one statement
that names the state it leaves (``WHERE status = …``), so two processes cannot take the same step twice.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple, TypedDict, Unpack
from uuid import UUID

import orjson
from django.conf import settings
from django.db.models import F, Q
from django.db.transaction import atomic
from psycopg.types.json import Jsonb

from core import audit, clock, keys, statements
from core.access import Actor, Permission
from core.errors import Conflict, NotSupported, Passing
from core.waiting import waiters
from stations.domain import capabilities, intents
from stations.domain.intents import Intent
from stations.domain.secrecy import masked
from stations.domain.words import Capability, CommandStatus
from stations.models import ChargingStation, Command
from stations.services import (
    command_news,
    completing,
    concealing,
    effects,
    permitting,
    preconditions,
    second_person,
    settling,
)
from stations.services.command_news import Place

NEXT: Mapping[CommandStatus, frozenset[CommandStatus]] = {
    CommandStatus.PENDING: frozenset(
        {CommandStatus.SENT, CommandStatus.FAILED, CommandStatus.EXPIRED, CommandStatus.CANCELLED,
         CommandStatus.NOT_SUPPORTED}
    ),
    CommandStatus.SENT: frozenset(
        {CommandStatus.ACCEPTED, CommandStatus.REJECTED, CommandStatus.FAILED, CommandStatus.TIMED_OUT}
    ),
}  # fmt: skip

_ANSWERED = "The station has answered the command; it cannot be taken back."
WHY_IT_STAYS: Mapping[CommandStatus, str] = {
    CommandStatus.PENDING: "The command changed just now. Read it again.",
    CommandStatus.SENT: "The command was sent to the station and cannot be taken back.",
    CommandStatus.ACCEPTED: _ANSWERED,
    CommandStatus.REJECTED: _ANSWERED,
    CommandStatus.FAILED: "The command was sent and failed; it cannot be taken back.",
    CommandStatus.TIMED_OUT: "The command was sent and not answered in time; it cannot be taken back.",
    CommandStatus.EXPIRED: "The command ran out before it was sent; there is nothing to take back.",
    CommandStatus.CANCELLED: "The command was cancelled already.",
    CommandStatus.NOT_SUPPORTED: "The station cannot do this, so the command was never sent.",
}

DEFAULT_PATIENCE_S = 300
GRACE = timedelta(seconds=5)
EFFECT_WHILE_SENT = timedelta(minutes=6)
SEALED_FOR = "command"

# What somebody waits for is one statement each, and a commit of its own (decision 11).
SETTLE = """
    UPDATE stations_command c SET
        status = %(status)s, settled_at = %(now)s, sealed = '', response = %(response)s, error = %(error)s,
        action = COALESCE(NULLIF(%(action)s::text, ''), c.action),
        message_id = COALESCE(NULLIF(%(message_id)s::text, ''), c.message_id),
        effect_until = CASE c.effect
            WHEN '' THEN %(now)s + (%(windows)s::jsonb ->> c.command)::interval ELSE c.effect_until END,
        effect = CASE WHEN c.effect = '' AND %(seen)s::jsonb ? c.command THEN 'seen' ELSE c.effect END,
        effect_at = CASE WHEN c.effect = '' AND %(seen)s::jsonb ? c.command THEN %(now)s ELSE c.effect_at END,
        effect_detail = CASE WHEN c.effect = '' THEN COALESCE(%(seen)s::jsonb ->> c.command, c.effect_detail)
            ELSE c.effect_detail END
    FROM stations_chargingstation s
    WHERE c.id = %(id)s AND c.status = ANY(%(before)s) AND s.id = c.station_id
        AND (c.command = ANY(%(followed)s)) = %(follow)s
    RETURNING c.command, c.organization_id, c.station_id, s.site_id
"""
CLAIM = """
    UPDATE stations_command c SET status = 'sent', sent_at = %(now)s, epoch = %(epoch)s, effect_until = %(until)s
    FROM stations_presence p
    WHERE c.id = %(id)s AND c.status = 'pending' AND c.expires_at > %(now)s
        AND p.station_id = c.station_id AND p.epoch = %(epoch)s AND p.connected
    RETURNING true
"""
WISH = """
    SELECT c.command, c.parameters::text, c.sealed
    FROM stations_command c JOIN stations_presence p ON p.station_id = c.station_id
    WHERE c.id = %(id)s AND c.status = 'pending' AND c.expires_at > %(now)s
        AND p.epoch = %(epoch)s AND p.connected
"""
STANDING = """
    SELECT connected, gateway, epoch,
        (SELECT count(*) FROM stations_command WHERE station_id = %(station)s AND status = 'pending')
    FROM stations_presence WHERE station_id = %(station)s
"""
FOLLOWED = list(settling.AFTERWARDS)
BEFORE: Mapping[CommandStatus, list[str]] = {
    ending: [state.value for state, following in NEXT.items() if ending in following]
    for ending in CommandStatus
}


class Standing(NamedTuple):
    """How a station stands to us as a command for it is issued."""

    connected: bool
    gateway: str
    epoch: int
    waiting: int


class Waiting(NamedTuple):
    """A pending command of a connected station."""

    command_id: UUID
    station_id: UUID
    epoch: int


def permission_of(intent: Intent) -> Permission:
    """Which permission the intent needs; a soft restart needs less than a hard one."""
    if isinstance(intent, intents.ResetStation) and intent.kind == "on_idle":
        return Permission.COMMANDS_RESET_SOFT
    return Permission(intent.permission)


class Manners(TypedDict, total=False):
    """How a command is issued; see :func:`say`."""

    patience_s: int
    if_offline: str
    reason: str
    audited: bool


def issue(station: ChargingStation, intent: Intent, *, by: Actor, **manners: Unpack[Manners]) -> Command:
    """Record what we want from the station; its socket's session will say it when it can.

    Raises as :func:`say` does, and :class:`Conflict` where one person told so many stations alone (W-21).
    """
    if not second_person.is_counted(intent, by):
        return say(station, intent, by=by, **manners)
    by.require(permission_of(intent), station)
    with atomic():
        second_person.require_few(station, by=by)
        return say(station, intent, by=by, **manners)


def say(
    station: ChargingStation,
    intent: Intent,
    *,
    by: Actor,
    patience_s: int = DEFAULT_PATIENCE_S,
    if_offline: str = "fail",
    reason: str = "",
    audited: bool = True,
) -> Command:
    """As :func:`issue`, without asking how many stations were told: for what was agreed on.

    A station that is offline makes the command FAILED at once, or leaves it waiting where
    ``if_offline`` is ``wait``. What the station cannot do is kept as NOT_SUPPORTED. Without ``audited`` no
    audit entry is made: only for what the portal repeats by itself, whose first is audited.
    Raises :class:`NotPermitted`, :class:`NotFound`, :class:`Invalid` and :class:`Conflict`.
    """
    by.require(permission_of(intent), station)
    preconditions.check_manners(intent, patience_s, if_offline)
    standing = _require_in_service(station)
    with atomic() if _touches_more(intent) else nullcontext():
        command = _draft(station, completing.completed(station, intent, by), by)
        command.if_offline = if_offline
        command.expires_at = command.issued_at + timedelta(seconds=patience_s)
        command.reason = reason.replace("\x00", "")[:500]
        _settle_before_sending(command, station, intent, standing)
        parameters = {"parameters": [None, concealing.for_audit(command.parameters)]}
        entry = audit.entry("command.issued", command, by=by, reason=reason, changes=parameters)
        statements.insert(command, *([entry] if audited else []))
        if command.settled:
            settling.follow(command.pk, command.command)
        _tell(command, standing)
    return command


def _touches_more(intent: Intent) -> bool:
    """Whether other rows than the command and its audit entry have to come or stay away with it."""
    return type(intent) in completing.COMPLETE or intent.name in settling.AFTERWARDS


def wish(command_id: UUID, *, epoch: int) -> Intent | None:
    """What a pending command asks for, secrets included; ``None`` where :func:`claim` would not give it."""
    row = statements.execute(WISH, {"id": command_id, "now": clock.now(), "epoch": epoch})
    if row is None:
        return None
    name, parameters, sealed = row
    plain = keys.unseal(sealed, purpose=SEALED_FOR) if sealed else parameters
    return intents.from_json(name, orjson.loads(plain))


def claim(command_id: UUID, *, epoch: int) -> bool:
    """Take a pending command for sending, once: SENT is committed before the frame leaves (M-09).

    ``False`` where it is no longer pending, has expired, or the socket is not the station's newest one.
    """
    now = clock.now()
    values = {"id": command_id, "now": now, "epoch": epoch, "until": now + EFFECT_WHILE_SENT}
    return statements.execute(CLAIM, values) is not None


def settle(
    command_id: UUID,
    status: CommandStatus,
    *,
    response: Any = None,
    error: Mapping[str, Any] | None = None,
    action: str = "",
    message_id: str = "",
) -> bool:
    """Write down how a command ended; ``False`` where it had ended before (a late answer).

    ``response`` is the payload of the CALLRESULT; ``error`` has ``code`` and ``description``.
    Secrets in both are masked here.
    """
    accepted = status is CommandStatus.ACCEPTED
    values: dict[str, Any] = {
        "id": command_id,
        "before": BEFORE[status],
        "status": status.value,
        "now": clock.now(),
        "response": Jsonb(concealing.answer(command_id, action, response)) if response is not None else None,
        "error": Jsonb(masked(error)) if error is not None else None,
        "action": action,
        "message_id": message_id,
        "windows": effects.windows_of(response) if accepted else "{}",
        "seen": effects.SEEN_IN_ANSWER if accepted else "{}",
        "followed": FOLLOWED,
    }
    return _settle_alone(values, status) or _settle_and_follow(values, status)


def _settle_alone(values: Mapping[str, Any], status: CommandStatus) -> bool:
    row = statements.execute(SETTLE, {**values, "follow": False})
    if row is not None:
        command_news.settled(Place(values["id"], *row[1:]), status)
    return row is not None


def _settle_and_follow(values: Mapping[str, Any], status: CommandStatus) -> bool:
    """Where the end of a command ends something else: both in one transaction."""
    with atomic():
        row = statements.execute(SETTLE, {**values, "follow": True})
        if row is None:
            return False
        settling.follow(values["id"], row[0])
        command_news.settled(Place(values["id"], *row[1:]), status)
    return True


def cancel(command: Command, *, by: Actor) -> Command:
    """Take back a command that was not sent yet. Raises :class:`Conflict` for one that was."""
    by.require(_permission_to_cancel(command), command)
    with atomic():
        if not settle(
            command.pk, CommandStatus.CANCELLED, error={"code": "cancelled", "description": by.label}
        ):
            raise Conflict(_why_it_stays(command))
        audit.record("command.cancelled", command, by=by)
    command.refresh_from_db()
    return command


def _why_it_stays(command: Command) -> str:
    """What became of a command that is no longer pending."""
    command.refresh_from_db(fields=["status", "sent_at"])
    status = CommandStatus(command.status)
    if status is CommandStatus.FAILED and command.sent_at is None:
        return "The command failed before it was sent; there is nothing to take back."
    return WHY_IT_STAYS[status]


def _permission_to_cancel(command: Command) -> Permission:
    soft = command.command == "reset" and command.parameters.get("kind") == "on_idle"
    return Permission.COMMANDS_RESET_SOFT if soft else Permission(intents.INTENTS[command.command].permission)


def wait_until_settled(command: Command, timeout_s: float) -> Command:
    """Block until the command has ended or the time is over, and look at it again.

    Where it takes longer than two looks, the thread holds no connection to the database between them.
    """
    looks = count()

    def ended() -> bool:
        statements.refresh(command)
        if not command.settled and next(looks):
            statements.let_go()
        return command.settled

    if not command.settled:
        waiters("command").wait(f"command.{command.pk}", timeout_s, until=ended)
    return command


def pending_of(gateway: str) -> list[Waiting]:
    """What waits for stations that this gateway holds, oldest first."""
    rows = (
        Command.objects.filter(
            status=CommandStatus.PENDING.value,
            expires_at__gt=clock.now(),
            station__presence__gateway=gateway,
            station__presence__connected=True,
        )
        .order_by("id")
        .values_list("pk", "station_id", "station__presence__epoch")[:1000]
    )
    return [Waiting(*row) for row in rows]


def fail_open_of(station_id: UUID, epoch: int) -> int:
    """The socket of that epoch is gone: what was sent on it ends as FAILED (P033)."""
    open_ = Command.objects.filter(station_id=station_id, status=CommandStatus.SENT.value, epoch=epoch)
    ended = [
        settle(
            pk,
            CommandStatus.FAILED,
            error={
                "code": "disconnected",
                "description": "The connection was lost before the answer. It may have been carried out.",
            },
        )
        for pk in open_.values_list("pk", flat=True)
    ]
    return sum(ended)


def sweep(now: datetime) -> int:
    """End what was lost on the way; answers with how many commands were ended. Safe to run at any time."""
    pending = Command.objects.filter(status=CommandStatus.PENDING.value)
    sent = Command.objects.filter(status=CommandStatus.SENT.value)
    offline = Q(station__presence__connected=False, if_offline="fail", issued_at__lt=now - GRACE)
    stale = ~Q(station__presence__epoch=F("epoch")) | Q(station__presence__connected=False)
    overdue = Q(sent_at__lt=now - timedelta(seconds=330))
    ended = _settle_all(
        pending.filter(expires_at__lte=now), CommandStatus.EXPIRED, "expired", "It was not sent in time."
    )
    ended += _settle_all(
        pending.filter(offline), CommandStatus.FAILED, "offline", "The station is not connected."
    )
    ended += _settle_all(
        sent.filter(stale, sent_at__lt=now - GRACE),
        CommandStatus.FAILED,
        "disconnected",
        "The connection was lost before the answer. It may have been carried out.",
    )
    ended += _settle_all(
        sent.filter(overdue),
        CommandStatus.TIMED_OUT,
        "outcome_unknown",
        "No answer was recorded. It may have been carried out.",
    )
    return ended + effects.expire(now)


def _require_in_service(station: ChargingStation) -> Standing:
    if station.retired_at is not None or not station.enabled:
        raise Conflict("The station is switched off in its settings. Enable it first.")
    row = statements.execute(STANDING, {"station": station.pk})
    assert row is not None  # every station has its presence
    standing = Standing(*row)
    if standing.waiting >= settings.OCPP_COMMAND_QUEUE_MAX:
        raise Passing(f"{standing.waiting} commands are waiting for this station. Cancel some or wait.")
    return standing


def _draft(station: ChargingStation, intent: Intent, by: Actor) -> Command:
    parameters = intents.to_json(intent)
    preconditions.require_storable(parameters)
    plain = orjson.loads(orjson.dumps(parameters))
    shown = concealing.parameters(station.organization_id, intent.name, plain)
    secret = shown != plain
    return Command(
        organization_id=station.organization_id,
        station=station,
        command=intent.name,
        parameters=shown,
        sealed=keys.seal(orjson.dumps(parameters).decode(), purpose=SEALED_FOR) if secret else "",
        evse_id=getattr(intent, "evse_id", None),
        transaction_id=getattr(intent, "transaction", None),
        remote_start_id=getattr(intent, "remote_start_id", None),
        issued_by=by.label[:200],
        person_id=second_person.person_of(intent, by),
        issued_at=clock.now(),
        status=CommandStatus.PENDING.value,
    )


def _settle_before_sending(
    command: Command, station: ChargingStation, intent: Intent, standing: Standing
) -> None:
    try:
        _require_capability(station, intent)
    except NotSupported as refusal:
        _end(command, CommandStatus.NOT_SUPPORTED, "not_supported", refusal.message)
        return
    if refused := permitting.refusal(station, intent):
        _end(command, CommandStatus.FAILED, permitting.CODE, refused)
    elif not standing.connected and command.if_offline == "fail":
        _end(command, CommandStatus.FAILED, "offline", "The station is not connected.")


def _require_capability(station: ChargingStation, intent: Intent) -> None:
    if intent.needs is not None and not station.supports(intent.needs):
        why = capabilities.judged(station.capabilities, intent.needs).detail
        raise NotSupported(
            f"This station cannot do that ({why}). The Settings tab shows what was learned of it, and can forget it."
        )
    resets_evse = isinstance(intent, intents.ResetStation) and intent.evse_id is not None
    if resets_evse and not station.supports(Capability.RESET_EVSE):
        raise NotSupported("This station can only be restarted as a whole.")
    resumes = isinstance(intent, intents.ResetStation) and intent.kind == intents.RESUME
    if resumes and not station.supports(Capability.RESUME):
        raise NotSupported("This station cannot resume sessions after a restart.")


def _end(command: Command, status: CommandStatus, code: str, description: str) -> None:
    command.status = status.value
    command.settled_at = command.issued_at
    command.error = {"code": code, "description": description}
    command.sealed = ""


def _tell(command: Command, standing: Standing) -> None:
    station = command.station
    place = Place(command.pk, command.organization_id, station.pk, station.site_id)
    if command.settled or not standing.connected:
        command_news.changed(place)
    else:
        command_news.waits(place, standing.gateway, standing.epoch)


def _settle_all(commands: Any, status: CommandStatus, code: str, description: str) -> int:
    error = {"code": code, "description": description}
    return sum(settle(pk, status, error=error) for pk in commands.values_list("pk", flat=True)[:500])
