"""How the list of a station stands, for pages and the API; reads only."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models.functions import Upper

from core.access import Actor
from stations.domain.local_lists import ListState
from stations.models import LocalList, LocalListEntry
from stations.services.local_lists import content

MOST_HOLDERS = 5_000


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
