"""Tokens of persons who are forgotten, known again by a keyed hash where a station tells of them later (W-29).

A station that was away may tell of a session days after its driver was forgotten. What is new is looked through
once an hour, and the token gets the pseudonym that it has elsewhere.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.db.transaction import atomic

from core import clock, keys
from core.ids import uuid7_of
from drivers.models import ErasedToken, IdToken
from stations.models import AuthorizationAnswer, OrphanStop, Transaction
from stations.services import replaced_tokens

PURPOSE = "erased-token"
LOOKS_BACK = timedelta(days=2)
LONGEST_SESSION = timedelta(days=60)
KEPT_FOR = timedelta(days=365)


def remember(organization_id: UUID, names: Mapping[str, str]) -> None:
    """In the transaction that forgets a person: hashes of the values, with the pseudonym of each."""
    now, key_id = clock.now(), keys.newest_id()
    rows = [
        ErasedToken(
            organization_id=organization_id, key_id=key_id, digest=_digest(key_id, organization_id, value),
            name=name, erased_at=now,
        )
        for value, name in names.items()
    ]  # fmt: skip
    ErasedToken.objects.bulk_create(rows, ignore_conflicts=True)


def replace_late(now: datetime) -> int:
    """Give what was told of them since its pseudonym; how many tokens were found. Safe to run twice."""
    owners = ErasedToken.objects.order_by().values_list("organization_id", flat=True).distinct()
    return sum(_replace_late(owner, now) for owner in list(owners))


def forget(now: datetime) -> int:
    """Drop hashes of tokens that no station can have kept to itself for so long; how many."""
    return ErasedToken.objects.filter(erased_at__lt=now - KEPT_FOR).delete()[0]


def is_anothers(organization_id: UUID, value: str) -> bool:
    """Whether somebody shows that number still, as a token of another type; then no text tells whose it is."""
    return IdToken.objects.live().filter(organization_id=organization_id, value__iexact=value).exists()


def _replace_late(organization_id: UUID, now: datetime) -> int:
    names = dict(_come_back(organization_id, now - LOOKS_BACK))
    if names:
        with atomic():
            replaced_tokens.elsewhere(organization_id, names)
        for days in range(LOOKS_BACK.days + 1):
            with atomic():
                replaced_tokens.in_frames(organization_id, names, (now - timedelta(days=days)).date())
    return len(names)


def _come_back(organization_id: UUID, since: datetime) -> Iterator[tuple[str, str]]:
    rows = ErasedToken.objects.filter(organization_id=organization_id)
    known = {(row.key_id, row.digest): row.name for row in rows}
    key_ids = {key_id for key_id, _ in known if keys.knows(key_id)}
    for value in _told(organization_id, since):
        found = (known.get((key_id, _digest(key_id, organization_id, value))) for key_id in key_ids)
        name = next(filter(None, found), None)
        if name is not None and not is_anothers(organization_id, value):
            yield value, name


def _told(organization_id: UUID, since: datetime) -> set[str]:
    """What stations said of tokens since then."""
    here, first = Q(organization_id=organization_id), uuid7_of(since, 0)
    sessions = Transaction.objects.filter(here)
    ended = sessions.filter(id__gte=uuid7_of(since - LONGEST_SESSION, 0), end_received_at__gte=since)
    stops = OrphanStop.objects.filter(station__organization_id=organization_id, id__gte=first)
    told = [
        sessions.filter(id__gte=first).values_list("token_value", flat=True),
        ended.values_list("stop_token_value", flat=True),
        AuthorizationAnswer.objects.filter(here, id__gte=first).values_list("token_value", flat=True),
        stops.values_list("token_value", flat=True),
    ]
    return {value for values in told for value in values.order_by().distinct() if value}


def _digest(key_id: str, organization_id: UUID, value: str) -> str:
    return keys.keyed_hash(key_id, PURPOSE, organization_id.bytes, value.upper().encode()).hex()
