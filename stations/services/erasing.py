"""What stations have told of a person, under a pseudonym: sessions, answers, reservations at once; the logs by a job.

The job looks through frames day by day and through whatever keeps bodies of messages, for the values of the tokens as
whole texts, in any case of letters (security.md W-29). Local lists lose retired tokens by their own upkeep.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Upper
from django.db.transaction import atomic

from core import audit, keys, turns
from core.access import system
from drivers.models import Driver, Erasure, ErasureState
from stations.domain.words import TransactionStatus
from stations.models import (
    AuthorizationAnswer,
    Favourite,
    LocalList,
    LocalListEntry,
    SitePermission,
    TariffAssignment,
    Transaction,
)
from stations.services import erased_tokens, replaced_tokens

SEALED_FOR = "erasure"
DAYS_AT_ONCE = 5
LISTED_AT_MOST = timedelta(days=30)


def is_charging(driver: Driver) -> bool:
    return Transaction.objects.filter(driver=driver, status=TransactionStatus.ACTIVE.value).exists()


@atomic
def pseudonymise(driver: Driver, names: Mapping[str, str]) -> None:
    """In the driver's transaction. ``names`` is the pseudonym of each token's value."""
    erased_tokens.remember(driver.organization_id, names)
    for value, name in names.items():
        sessions = Transaction.objects.alias(folded=Upper("token_value"))
        told = sessions.filter(organization_id=driver.organization_id, folded=value.upper())
        if erased_tokens.is_anothers(driver.organization_id, value):
            told = told.filter(driver=driver)
        told.update(token_value=name)
        answers = AuthorizationAnswer.objects.filter(driver=driver, token_value__iexact=value)
        answers.update(token_value=name)
    Favourite.objects.filter(driver=driver).delete()
    SitePermission.objects.filter(Q(driver=driver) | Q(token__driver=driver)).delete()
    TariffAssignment.objects.filter(driver=driver).delete()


def sealed(names: Mapping[str, str]) -> str:
    """The pairs for :attr:`Erasure.sealed`."""
    return keys.seal(json.dumps(dict(names)), purpose=SEALED_FOR)


def search_due(now: datetime) -> int:
    """Take every running erasure some days further; how many came to their end."""
    running = Erasure.objects.filter(state=ErasureState.RUNNING).order_by("id").values_list("pk", flat=True)
    return sum(turns.guarded(key, partial(_search, key, now)) for key in list(running[:20]))


def _search(key: UUID, now: datetime) -> bool:
    """Some days of frames, or in the end the bodies; a step is a transaction, so that a crash repeats one alone."""
    for _ in range(DAYS_AT_ONCE):
        with atomic():
            rows = Erasure.objects.select_for_update(skip_locked=True, of=("self",)).select_related("driver")
            row = rows.filter(pk=key, state=ErasureState.RUNNING).first()
            if row is None or row.began_at is None:
                return False
            erased: dict[str, str] = json.loads(keys.unseal(row.sealed, purpose=SEALED_FOR))
            names = {
                value: name
                for value, name in erased.items()
                if not erased_tokens.is_anothers(row.organization_id, value)
            }
            day = _next_day(row, now)
            if day is not None:
                replaced_tokens.in_frames(row.organization_id, names, day)
                Erasure.objects.filter(pk=row.pk).update(searched=day)
                continue
            if _still_listed(row, names, now):
                return False
            _finish(row, names, now)
            return True
    return False


def _next_day(row: Erasure, now: datetime) -> date | None:
    """From the oldest day that is kept to the day after it began: what was on its way then is written by now."""
    assert row.began_at is not None
    first = (row.began_at - timedelta(days=settings.OCPP_LOG_RETENTION_DAYS + 1)).date()
    day = first if row.searched is None else row.searched + timedelta(days=1)
    last = min((row.began_at + timedelta(days=1)).date(), now.date())
    return day if day <= last else None


def _still_listed(row: Erasure, names: Mapping[str, str], now: datetime) -> bool:
    """Whether a station that is kept up to date still holds one of the tokens; what nobody keeps is forgotten.

    A station that stays away for a month gets the whole list when it comes back, and is not waited for.
    """
    assert row.began_at is not None
    held = LocalListEntry.objects.filter(
        local_list__station__organization_id=row.organization_id, value__in=[*names, *map(str.upper, names)]
    )
    kept = LocalList.objects.filter(Q(automatic=True) | Q(withdrawn=True), station__retired_at=None)
    held.exclude(local_list__in=kept).delete()
    if now > row.began_at + LISTED_AT_MOST:
        LocalList.objects.filter(pk__in=held.values("local_list")).update(certain=False)
        held.delete()
    return held.exists()


def _finish(row: Erasure, names: Mapping[str, str], now: datetime) -> None:
    replaced_tokens.elsewhere(row.organization_id, names)
    row.state, row.done_at, row.sealed = ErasureState.DONE, now, ""
    row.save(update_fields=["state", "done_at", "sealed"])
    audit.record("driver.erased", row.driver, by=system("erasure"), changes={"kept": [None, str(row.kept)]})
