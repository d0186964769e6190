"""What is over its term goes, organization by organization, some of each at a time (billing B-65, B-66)."""

import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.conf import settings

from billing.services.retention import documents, files, persons, terms, top_ups
from core import clock, turns
from core.models import Organization


def run(turn_s: float = turns.TURN_S) -> int:
    """Pseudonymise and delete until nothing is due or the time is up; how many rows were looked at.

    What stumbles in one organization is logged and stops no other; the next pass goes on where this one ended.
    """
    deadline = time.monotonic() + turn_s
    files.delete_due(turn_s)  # what an earlier pass left
    owners = list(Organization.objects.order_by("pk"))
    works: list[Callable[[Organization, float], int]] = [_delete]
    if settings.PERSON_DATA_DAYS:
        works.append(_forget)
    looked = sum(turns.guarded(owner, partial(work, owner, deadline)) for owner in owners for work in works)
    files.delete_due(deadline - time.monotonic())
    return looked


def _forget(owner: Organization, deadline: float) -> int:
    now, done = clock.now(), 0
    while time.monotonic() < deadline and (some := persons.forget_some(owner, now)):
        done += some
    return done


def _delete(owner: Organization, deadline: float) -> int:
    before, looked = terms.before(owner, clock.now().date()), 0
    while time.monotonic() < deadline and (some := documents.delete_some(owner, before)):
        looked += some
    key: UUID | None = top_ups.FIRST
    while time.monotonic() < deadline and key is not None:
        key = top_ups.delete_some(owner, before, key)
    return looked
