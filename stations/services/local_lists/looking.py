"""How the list of a station stands, for pages and the API; reads only."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Upper

from core.access import Actor
from drivers.models import IdToken
from stations.domain.local_lists import ListState
from stations.models import LocalList, LocalListEntry
from stations.services.local_lists import content

MOST_HOLDERS = 5_000
MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """``wanted`` counts what the list should hold, ``left_out`` the tokens that have no place in it."""

    state: ListState
    wanted: int
    left_out: int


def standing_of(row: LocalList, wishes: content.Wishes | None = None) -> Standing:
    """Compared with the tokens of this moment; ``station`` is loaded. ``wishes`` are shared where there are many."""
    wish = (wishes or content.Wishes()).of(row)
    return Standing(_state(row, wish.digest), wish.entries, wish.left_out)


def holders(values: Iterable[str], by: Actor) -> dict[str, list[str]]:
    """For each token, in capitals, the stations that have it on their list, as far as the actor sees them."""
    folded = {value.upper() for value in values}
    entries = LocalListEntry.objects.annotate(folded=Upper("value")).filter(
        folded__in=folded, local_list__in=LocalList.objects.visible_to(by)
    )
    found: dict[str, list[str]] = {}
    rows = entries.select_related("local_list__station").order_by("local_list__station__identity", "id")
    for entry in rows[:MOST_HOLDERS]:
        names = found.setdefault(entry.value.upper(), [])
        if (name := str(entry.local_list.station)) not in names:
            names.append(name)
    return found


def entries_of(token: IdToken, by: Actor) -> list[LocalListEntry]:
    """Where it is on the list, as each station took it; the first of many stations that the actor sees."""
    rows = LocalListEntry.objects.annotate(folded=Upper("value")).filter(
        folded=token.value.upper(), type__in=("", token.type), local_list__in=_of(token, by)
    )
    found = rows.select_related("local_list__station__presence")
    return list(found.order_by("local_list__station__identity", "id")[:MOST_SHOWN])


def lacking(token: IdToken, by: Actor) -> list[LocalList]:
    """Lists that are kept or were sent and do not have it; the first of many."""
    holding = LocalListEntry.objects.annotate(folded=Upper("value")).filter(
        folded=token.value.upper(), type__in=("", token.type), local_list=OuterRef("pk")
    )
    kept = Q(automatic=True) | Q(sent_at__isnull=False)
    rows = _of(token, by).filter(kept, ~Exists(holding), withdrawn=False, station__retired_at=None)
    return list(rows.select_related("station__presence").order_by("station__identity")[:MOST_SHOWN])


def _of(token: IdToken, by: Actor) -> QuerySet[LocalList]:
    return LocalList.objects.visible_to(by).filter(station__organization_id=token.organization_id)


def _state(row: LocalList, wanted: str) -> ListState:
    booted_at = row.station.booted_at
    if row.unsupported_at and (booted_at is None or booted_at < row.unsupported_at):
        return ListState.NOT_SUPPORTED
    if not row.certain:
        return ListState.UNCONFIRMED
    if row.drifted:
        return ListState.DRIFTED
    if row.failure:
        return ListState.REFUSED
    if row.sent_at is None:
        return ListState.UNKNOWN
    return ListState.CURRENT if row.digest == wanted else ListState.OUTDATED
