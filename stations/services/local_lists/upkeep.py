"""Keeping lists as they should be: what follows from an answer, and what the sweeper finds due."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from core import access, clock
from core.errors import DomainError
from stations.domain.intents import GetLocalListVersion, Intent, SendLocalList
from stations.domain.words import CommandStatus, Registration
from stations.models import ChargingStation, Command, LocalList
from stations.services import commands
from stations.services.local_lists import content
from stations.services.local_lists.holding import FIRST_RETRY

ACTOR = access.system("local_lists")
CHECKED_EVERY = timedelta(days=1)
AT_ONCE = 100
OPEN = (CommandStatus.PENDING.value, CommandStatus.SENT.value)
NAMES = (SendLocalList.name, GetLocalListVersion.name)


def read_back(station_id: UUID) -> None:
    """The effect of a list that was sent: its version told by the station."""
    _say(station_id, GetLocalListVersion(), "The list was sent; its version is read back.")


def send_whole(station_id: UUID, refusal: str) -> None:
    """After changes that the station did not take (1.6 section 5.15, 2.0.1 D01)."""
    _say(station_id, SendLocalList(mode="full"), f"The station refused the changes ({refusal}).")


def keep(now: datetime) -> int:
    """Say what is due to connected stations; answers with how many commands were issued.

    The version is read after a boot and daily; a list that differs, or whose state is unknown, is sent.
    """
    wishes = content.Wishes()
    return sum(_say(row.station_id, *due) for row in _candidates(now) if (due := _due(row, wishes, now)))


def _due(row: LocalList, wishes: content.Wishes, now: datetime) -> tuple[Intent, str] | None:
    booted_at, told_at = row.station.booted_at, row.reported_at
    if told_at is None or told_at < now - CHECKED_EVERY or (booted_at and told_at < booted_at):
        return GetLocalListVersion(), "The version of the list is read daily and after a boot."
    if row.sent_at is None or not row.certain or row.drifted:
        return SendLocalList(mode="full"), "It is not known what the list of the station holds."
    if row.digest != wishes.of(row).digest:
        return SendLocalList(), "Tokens have changed."
    return None


def _candidates(now: datetime) -> Iterator[LocalList]:
    """Lists that are kept, at stations that can be spoken to and have nothing in hand that concerns the list."""
    busy = Command.objects.filter(
        station=OuterRef("station"), status__in=OPEN, command__in=NAMES, issued_at__gt=now - timedelta(days=2)
    )
    rows: QuerySet[LocalList] = LocalList.objects.filter(
        Q(automatic=True) | Q(withdrawn=True, entry_count__gt=0),
        Q(retry_at=None) | Q(retry_at__lte=now),
        Q(unsupported_at=None) | Q(unsupported_at__lt=F("station__booted_at")),
        ~Exists(busy),
        station__presence__connected=True,
        station__registration=Registration.ACCEPTED.value,
        station__enabled=True,
        station__retired_at=None,
    )
    return (
        rows.select_related("station")
        .prefetch_related("groups")
        .order_by("retry_at", "id")[:AT_ONCE]
        .iterator(chunk_size=AT_ONCE)
    )


def _say(station_id: UUID, intent: Intent, reason: str) -> bool:
    station = ChargingStation.objects.get(pk=station_id)
    try:
        with atomic():
            commands.issue(station, intent, by=ACTOR, reason=reason)
    except DomainError:
        # A full queue or a station switched off: it is looked at again later.
        LocalList.objects.filter(station_id=station_id).update(retry_at=_soon())
        return False
    return True


def _soon() -> datetime:
    return clock.now() + FIRST_RETRY
