"""What a station holds of its list: numbers given to messages, parts that it took, versions that it told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.db.transaction import atomic

from core.access import Actor
from core.errors import Invalid
from stations import live
from stations.domain import local_lists
from stations.domain.intents import GetLocalListVersion, SendLocalList
from stations.domain.local_lists import EMPTY, Changes, Content, Entry, Shape
from stations.domain.words import CommandStatus
from stations.models import ChargingStation, Command, LocalList, LocalListEntry
from stations.services import effects, preconditions
from stations.services.local_lists import content

MODES = ("full", "differential")
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=6)
UNKNOWN_TO_STATION = frozenset({"NotImplemented", "NotSupported"})
OUTCOME_UNKNOWN = frozenset({CommandStatus.FAILED.value, CommandStatus.TIMED_OUT.value})


@dataclass(frozen=True, slots=True)
class Sending:
    """What is to be said: the whole list, or its changes."""

    full: bool
    changes: Changes


def prepare(station: ChargingStation, intent: SendLocalList, by: Actor) -> SendLocalList:
    """There is a row to keep what the station takes. Raises :class:`Invalid` for an unknown mode."""
    if intent.mode not in MODES:
        raise Invalid(f"Choose one of {', '.join(MODES)}.", field="mode")
    row_of(station.pk)
    return intent


def prepare_reading(station: ChargingStation, intent: GetLocalListVersion, by: Actor) -> GetLocalListVersion:
    """There is a row to keep what the station tells."""
    row_of(station.pk)
    return intent


def row_of(station_id: UUID) -> LocalList:
    """The station's list; made where there was none."""
    return LocalList.objects.get_or_create(station_id=station_id)[0]


@atomic
def sending(station_id: UUID, mode: str, shape: Shape) -> Sending:
    """What has to be said now to a station whose list has that shape.

    The whole list where only that leads anywhere: the first time, when it is not known what the station
    holds, and when it comes back with another shape.
    """
    row = _locked(station_id)
    held = held_by(row)
    full = (
        mode == "full" or row.begins_anew or (row.shape is not None and row.known_shape.typed != shape.typed)
    )
    wanted = content.wanted(row, shape)
    row.shape, row.began_full = shape.to_json(), full
    row.save(update_fields=["shape", "began_full"])
    if full:
        return Sending(full=True, changes=Changes(list(wanted.content.values()), []))
    return Sending(full=False, changes=local_lists.changes(held, wanted.content))


@atomic
def number_messages(station_id: UUID, count: int) -> range:
    """Versions for that many messages: above all that we or the station ever named, so that each is newer.

    Raises :class:`Invalid` where no number is left.
    """
    row = _locked(station_id)
    first = max(row.last_number, row.version, row.reported_version or 0, EMPTY) + 1
    if first + count > preconditions.MAX_NUMBER:
        raise Invalid("The station counts so high that no version is left for its list.")
    row.last_number = first + count - 1
    row.save(update_fields=["last_number"])
    return range(first, first + count)


def took(
    station_id: UUID,
    number: int,
    *,
    full: bool,
    placed: Sequence[Entry],
    removed: Sequence[Entry],
    at: datetime,
) -> bool:
    """The station took a message; answers with whether it was the last one of those that belong together.

    One that was said in raw words may be the first that is heard of a list, and the newest of all. Where it
    counts beyond our numbers it is only known that the station holds something else.
    """
    with atomic():
        row_of(station_id)
        row = _locked(station_id)
        if number <= row.version:  # a later message said the same and more, and was stored before
            return False
        if number > preconditions.MAX_NUMBER:
            row.certain = False
            row.save(update_fields=["certain"])
            return False
        last = number >= row.last_number
        _hold(row, number, full=full, placed=placed, removed=removed)
        row.sent_at = at
        if last:
            row.last_number = number
            row.failure, row.failures, row.retry_at = "", 0, None
        row.save()
        _tell(row)
    return last


def version_told(station_id: UUID, number: int, at: datetime) -> None:
    """What the station answered to GetLocalListVersion; -1 means that it keeps no list (P217)."""
    with atomic():
        row_of(station_id)
        row = _locked(station_id)
        row.reported_version, row.reported_at = number, at
        row.unsupported_at = at if number <= local_lists.NOT_SUPPORTED_16 else None
        if not row.drifted:
            row.certain = True
            row.failures, row.retry_at = 0, None
        row.save()
        _tell(row)
    if not row.drifted:
        # Not under the lock of the list: a command that is settled meanwhile is locked before its list.
        effects.list_version_told(station_id, number)


def refused(station_id: UUID, word: str, at: datetime) -> bool:
    """The station did not take a message; answers with whether the whole list may help (1.6 section 5.15).

    Of a station for which no list was ever wanted, nothing follows from that.
    """
    with atomic():
        row = _locked_if_any(station_id)
        if row is None:
            return False
        if word == "NotSupported":
            row.unsupported_at = at
        _note_failure(row, word, at)
        helps = word != "NotSupported" and not row.began_full
        if helps:
            row.certain, row.retry_at = False, None
        row.save()
        _tell(row)
    return helps


def command_settled(command: Command) -> None:
    """A command that reached the station and was not answered properly leaves it open what the list holds."""
    code = str((command.error or {}).get("code", ""))
    if command.sent_at is None or command.status not in OUTCOME_UNKNOWN or command.settled_at is None:
        return
    row = _locked_if_any(command.station_id)
    if row is None:
        return  # it was said in the words of the wire to a station that was given no list
    if code in UNKNOWN_TO_STATION:
        row.unsupported_at = command.settled_at
    elif SendLocalList.name == command.command or SendLocalList.__name__ == command.action:
        row.certain = False
    _note_failure(row, code, command.settled_at)
    row.save()
    _tell(row)


def held_by(row: LocalList) -> Content:
    """What the station took, entry by entry."""
    entries = (
        Entry(
            value=entry.value,
            type=entry.type,
            status=entry.status,
            group_value=entry.group_value,
            expires_at=entry.expires_at,
        )
        for entry in row.entries.all()
    )
    return {entry.key: entry for entry in entries}


def _locked(station_id: UUID) -> LocalList:
    return _rows_to_lock().get(station_id=station_id)


def _locked_if_any(station_id: UUID) -> LocalList | None:
    return _rows_to_lock().filter(station_id=station_id).first()


def _rows_to_lock() -> QuerySet[LocalList]:
    return LocalList.objects.select_for_update(of=("self",)).select_related("station")


def _hold(
    row: LocalList, number: int, *, full: bool, placed: Sequence[Entry], removed: Sequence[Entry]
) -> None:
    """The list as it is after that message; of a token that it names twice the later entry holds.

    Changes to a list that was not known leave it so.
    """
    _drop(row, None if full else [*placed, *removed])
    once = {entry.key: entry for entry in placed}.values()
    LocalListEntry.objects.bulk_create([_entry_row(row, entry) for entry in once], batch_size=2000)
    held = held_by(row)
    row.version, row.certain = number, full or (row.certain and row.sent_at is not None)
    row.entry_count, row.digest = len(held), local_lists.digest(held)
    row.reported_version = None
    row.unsupported_at = None


def _drop(row: LocalList, entries: Sequence[Entry] | None) -> None:
    """Forget what is placed anew or removed; ``None``: everything.

    Told apart as everywhere by :attr:`Entry.key`: the database folds some letters otherwise.
    """
    held = LocalListEntry.objects.filter(local_list=row)
    if entries is not None:
        keys = {entry.key for entry in entries}
        stored = held.filter(type__in={entry.type for entry in entries}).values_list("pk", "value", "type")
        gone = [pk for pk, value, kind in stored if (value.upper(), kind) in keys]
        held = held.filter(pk__in=gone)
    held.delete()


def _entry_row(row: LocalList, entry: Entry) -> LocalListEntry:
    return LocalListEntry(
        local_list=row,
        value=entry.value,
        type=entry.type,
        status=entry.status,
        group_value=entry.group_value,
        expires_at=entry.expires_at,
    )


def _note_failure(row: LocalList, word: str, at: datetime) -> None:
    """Tried again ever more seldom."""
    row.failure = word[:200]
    row.failures += 1
    row.retry_at = at + min(FIRST_RETRY * 2 ** min(row.failures - 1, 16), LONGEST_RETRY)


def _tell(row: LocalList) -> None:
    station = row.station
    live.announce_on_commit(
        "station", station.organization_id, station.pk, site_id=station.site_id, station_id=station.pk
    )
