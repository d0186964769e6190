"""Prices that follow while a session lasts, where its tariff was announced as dynamic before the start (T-42).

Each version that begins meanwhile is taken into the frozen copy: its elements count from its instant on, those of
the version before up to it. They are bounded by the time since the start, which no change of clocks can double.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

from stations.models import FrozenTariff, Transaction
from stations.services.costs_kept import parsed
from tariffs import documents
from tariffs.models import TariffVersion
from tariffs.structure import Tariff

AHEAD = timedelta(days=1)
"""How far ahead of a running session published prices are taken in, so that displays know what comes next."""
_SECOND = timedelta(seconds=1)
_MOMENT = timedelta(microseconds=1)
_ALIKE = ("currency", "tax_included")
MOST_KEPT = 2_000
Json = Mapping[str, Any]
_contents: OrderedDict[UUID, Json] = OrderedDict()
_lock = Lock()


class Held(NamedTuple):
    """The prices that a frozen copy has at an instant, as a tariff by themselves, and the version they came with."""

    version_id: UUID
    tariff: Tariff


class _Change(NamedTuple):
    """A version that takes the place of the one before it, so many whole seconds after the start."""

    after_s: int
    version_id: UUID
    content: Json


def follow(frozen: FrozenTariff, session: Transaction, now: datetime) -> None:
    """Bring the copy, whose row the caller keeps, to what was published for the time of the session.

    Minimum, maximum, and what a reservation costs stay as they were. A version in another currency, or with
    prices that hold taxes where the first did not, is none of this session's. Once it is priced by that, the same
    is found again whenever it is looked at: what has begun is never published anew.
    """
    if not parsed(frozen.document).dynamic:
        return
    start = _start(frozen, session)
    first, changes = _changes(frozen, start, session.ended_at or now + AHEAD)
    whole = documents.dumps({**first, "elements": list(_elements(first, changes))}) if changes else None
    document = whole or frozen.version.document
    if document != frozen.document:
        frozen.document = document
        frozen.tariff_changes = [start + timedelta(seconds=one.after_s) for one in changes]
        frozen.save(update_fields=["document", "tariff_changes"])


def holding(frozen: FrozenTariff, session: Transaction, at: datetime) -> Held:
    """What the copy has at that instant, of which later prices of a dynamic tariff are a part."""
    tariff = parsed(frozen.document)
    if not tariff.dynamic:
        return Held(frozen.version_id, tariff)
    first, changes = _changes(frozen, _start(frozen, session), at + _MOMENT)
    if not changes:
        return Held(frozen.version_id, parsed(frozen.version.document))
    latest = changes[-1]
    ordinary = [one for one in latest.content["elements"] if not _is_of_reservation(one)]
    reserved = [one for one in first["elements"] if _is_of_reservation(one)]
    document = documents.dumps({**first, "elements": [*ordinary, *reserved]})
    return Held(latest.version_id, parsed(document))


def _start(frozen: FrozenTariff, session: Transaction) -> datetime:
    return min(frozen.reserved_from or session.started_at, session.started_at)


def _changes(frozen: FrozenTariff, start: datetime, end: datetime) -> tuple[Json, list[_Change]]:
    """What the version of the start says, and each that takes its place before ``end``."""
    begins = dict(_later(frozen.version, start, end))
    contents = _contents_of([frozen.version_id, *begins])
    first = contents[frozen.version_id]
    return first, [
        _Change(_seconds(valid_from - start), key, contents[key])
        for key, valid_from in begins.items()
        if all(contents[key].get(name) == first.get(name) for name in _ALIKE)
    ]


def _later(version: TariffVersion, start: datetime, end: datetime) -> Iterator[tuple[UUID, datetime]]:
    """Which versions begin meanwhile, and when."""
    rows = TariffVersion.objects.published().filter(tariff_id=version.tariff_id, valid_from__lt=end)
    after = max(start, version.valid_from or start)
    for key, begin in (
        rows.filter(valid_from__gt=after).order_by("valid_from").values_list("pk", "valid_from")
    ):
        assert begin is not None  # of what is published
        yield key, begin


def _contents_of(keys: Sequence[UUID]) -> dict[UUID, Json]:
    """What published versions say. None of them changes, so each is read once, and the oldest is forgotten."""
    with _lock:
        found = {key: _contents[key] for key in keys if key in _contents}
    if lacking := [key for key in keys if key not in found]:
        unread = TariffVersion.objects.filter(pk__in=lacking)
        read = {key: documents.loads(text) for key, text in unread.values_list("pk", "document")}
        found |= read
        with _lock:
            _contents.update(read)
            while len(_contents) > MOST_KEPT:
                _contents.popitem(last=False)
    return found


def _elements(first: Json, changes: Sequence[_Change]) -> Iterator[Json]:
    begins = [0, *(one.after_s for one in changes), None]
    contents = [first, *(one.content for one in changes)]
    for content, (begin, end) in zip(contents, pairwise(begins), strict=True):
        for element in content["elements"]:
            if not _is_of_reservation(element):
                yield from _between(element, element.get("restrictions") or {}, begin or 0, end)
            elif content is first:
                yield element


def _is_of_reservation(element: Json) -> bool:
    return bool((element.get("restrictions") or {}).get("reservation"))


def _between(element: Json, restrictions: Json, begin: int, end: int | None) -> Iterator[Json]:
    """The element for that stretch of the session, in seconds since its start; none where nothing is left of it."""
    least = max(begin, restrictions.get("min_duration") or 0)
    ends = [one for one in (end, restrictions.get("max_duration")) if one is not None]
    if ends and min(ends) <= least:
        return
    bounds = {"min_duration": least} if least else {}
    bounds |= {"max_duration": min(ends)} if ends else {}
    kept = {
        name: value for name, value in restrictions.items() if name not in ("min_duration", "max_duration")
    }
    yield {**element, "restrictions": {**kept, **bounds}} if kept or bounds else element


def _seconds(since: timedelta) -> int:
    """Whole seconds, so that no price begins early."""
    return -(-since // _SECOND)
