"""What belongs on a station's list: tokens that can be shown there, with what is to be said of each.

Blocked, expired and invalid tokens are told as such, since a station that accepts unknown tokens while it is
offline would accept them if they were left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Case, Value, When

from core import clock
from drivers.authorization import VERDICT_OF_STATUS, Verdict
from drivers.models import IdToken, TokenStatus, TokenType
from stations.domain import local_lists
from stations.domain.local_lists import Entry, Fitted, Shape
from stations.models import ChargingStation, LocalList
from stations.services.site_permissions import Places

NOT_SHOWN = (TokenType.NO_AUTHORIZATION, TokenType.CENTRAL, TokenType.DIRECT_PAYMENT)
"""Types that nobody shows to a station."""


def wanted(local_list: LocalList, shape: Shape | None = None) -> Fitted:
    """What the list should hold now; valid tokens and newer ones lead where it is too short for all."""
    if local_list.withdrawn:
        return Fitted({})
    groups = [group.pk for group in local_list.groups.all()]
    entries = _entries(local_list.station, groups)
    return local_lists.fit(entries, shape or local_list.known_shape)


class Wishes:
    """What lists should hold, computed once for all that should hold the same.

    Their ``station`` is loaded, their ``groups`` are prefetched.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Wish] = {}

    def of(self, row: LocalList) -> "Wish":
        groups = tuple(sorted(str(group.pk) for group in row.groups.all()))
        key = (row.station.organization_id, row.station.site_id, groups, row.known_shape, row.withdrawn)
        if key not in self._known:
            fitted = wanted(row)
            self._known[key] = Wish(local_lists.digest(fitted.content), len(fitted.content), fitted.left_out)
        return self._known[key]


@dataclass(frozen=True, slots=True)
class Wish:
    """The digest of what a list should hold, how many entries that are, and how many tokens it has no place for."""

    digest: str
    entries: int
    left_out: int


def _entries(station: ChargingStation, groups: list[UUID]) -> Iterator[Entry]:
    tokens = IdToken.objects.live().filter(organization_id=station.organization_id)
    tokens = tokens.exclude(type__in=NOT_SHOWN)
    if groups:
        tokens = tokens.filter(group__in=groups)
    places = Places(station.organization_id)
    valid = IdToken.of_status(TokenStatus.ACCEPTED, clock.now())
    valid_first = Case(When(valid, then=Value(0)), default=Value(1))
    for token in (
        tokens.select_related("group", "driver").order_by(valid_first, "-id").iterator(chunk_size=2000)
    ):
        yield _entry(token, places.allow(token, station.site_id))


def _entry(token: IdToken, allowed: bool) -> Entry:
    """A token that may not charge at the site is told as blocked."""
    status = TokenStatus(token.effective_status())
    verdict = VERDICT_OF_STATUS.get(status, Verdict.ACCEPTED if allowed else Verdict.BLOCKED)
    return Entry(
        value=token.value,
        type=token.type,
        status=verdict.value,
        group_value=token.group.token if token.group else "",
        expires_at=token.expires_at if verdict is Verdict.ACCEPTED else None,
    )
