"""One wish towards many stations (spec of the API, ``/commands/``): each gets a command of its own.

What is scarce: the time of the request that asks, so the number of stations is bounded. All commands are issued
in one database transaction; a station that cannot be told is noted with the reason and holds up no other.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
from django.conf import settings
from django.db.models import QuerySet
from django.db.transaction import atomic

from core import audit, clock
from core.access import Actor
from core.errors import Conflict, DomainError, Invalid, NotPermitted
from stations.domain import intents
from stations.domain.intents import Intent
from stations.domain.words import CommandStatus
from stations.models import BulkCommand, BulkPart, ChargingStation, Command
from stations.services import commands, concealing, preconditions

MOST_STATIONS = 500
REFUSED = "refused"
FILTERS: Mapping[str, str] = {
    "stations": "pk__in",
    "site": "site_id",
    "vendor": "vendor",
    "model": "model",
    "firmware_version": "firmware_version",
    "tag": "tags__contains",
}
# Configuration, firmware, certificates and reset of many stations (security.md W-21).
NEEDS_TWO = frozenset(
    {"reset", "set_variables", "update_firmware", "publish_firmware", "unpublish_firmware", "install_certificate",
     "delete_certificate", "renew_certificate", "rotate_password", "set_network_profile"}
)  # fmt: skip


def targets(wanted: Mapping[str, Any], *, by: Actor) -> QuerySet[ChargingStation]:
    """The stations that fit every given filter (``FILTERS``), oldest first. Raises :class:`Invalid` for none given."""
    if not wanted:
        raise Invalid("Name stations, or filter them by at least one of their fields.", field="filter")
    rows = ChargingStation.objects.live().visible_to(by)
    for name, value in wanted.items():
        rows = rows.filter(**{FILTERS[name]: [value] if name == "tag" else value})
    return rows.order_by("id")


def issue(
    stations: Sequence[ChargingStation],
    intent: Intent,
    *,
    by: Actor,
    patience_s: int = commands.DEFAULT_PATIENCE_S,
    if_offline: str = "fail",
    reason: str = "",
) -> BulkCommand:
    """Issue the intent to each of the stations. Raises as :func:`commands.issue` for what is wrong for all."""
    check(stations, intent, by=by)
    preconditions.check_manners(intent, patience_s, if_offline)
    now = clock.now()
    with atomic():
        bulk = BulkCommand.objects.create(
            organization_id=by.home,
            command=intent.name,
            parameters=concealing.parameters(
                by.home, intent.name, orjson.loads(orjson.dumps(intents.to_json(intent)))
            ),
            reason=reason.replace("\x00", "")[:500],
            issued_by=by.label[:200],
            issued_at=now,
            expires_at=now + timedelta(seconds=patience_s),
        )
        manners = {"patience_s": patience_s, "if_offline": if_offline, "reason": reason}
        parts = [_part(bulk, station, intent, by, manners) for station in stations]
        BulkPart.objects.bulk_create(parts)
        changes = {
            "stations": [None, len(parts)],
            "parameters": [None, concealing.for_audit(bulk.parameters)],
        }
        audit.record("command.issued_to_many", bulk, by=by, reason=reason, changes=changes)
    return bulk


def check(stations: Sequence[ChargingStation], intent: Intent, *, by: Actor) -> None:
    """Raise :class:`NotPermitted`, :class:`NotFound` or :class:`Invalid` where it could not be issued to them."""
    for station in stations:
        by.require(commands.permission_of(intent), station)
    if not stations:
        raise Invalid("No station fits.", field="filter")
    if len(stations) > MOST_STATIONS:
        raise Invalid(f"These are more than {MOST_STATIONS} stations. Tell them in parts.", field="stations")
    if intent.name in NEEDS_TWO and len(stations) > settings.SECOND_PERSON_ABOVE:
        raise NotPermitted(
            f"“{intent.name}” goes to at most {settings.SECOND_PERSON_ABOVE} stations at once; "
            "for more a second person would have to agree, which cannot be asked for yet."
        )


def counts(bulk: BulkCommand) -> dict[str, int]:
    """How many commands stand how, and how many stations could not be told (``refused``)."""
    statuses = bulk.parts.values_list("command__status", flat=True)
    return dict(sorted(Counter(status or REFUSED for status in statuses).items()))


def cancel(bulk: BulkCommand, *, by: Actor) -> int:
    """Take back the commands that were not sent yet. Answers with how many; :class:`Conflict` for none."""
    pending = Command.objects.filter(bulk_part__bulk=bulk, status=CommandStatus.PENDING.value)
    cancelled = 0
    for command in pending.select_related("station").order_by("id"):
        try:
            commands.cancel(command, by=by)
        except Conflict:
            continue  # sent meanwhile
        cancelled += 1
    if not cancelled:
        raise Conflict("None of its commands is still pending; there is nothing to take back.")
    return cancelled


def _part(
    bulk: BulkCommand, station: ChargingStation, intent: Intent, by: Actor, manners: Mapping[str, Any]
) -> BulkPart:
    try:
        with atomic():
            command = commands.issue(station, intent, by=by, **manners)
    except DomainError as error:
        return BulkPart(bulk=bulk, station=station, refusal=error.message[:500])
    return BulkPart(bulk=bulk, station=station, command=command)
