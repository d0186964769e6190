"""Who charged where, by the names that held as a session began (billing B-04).

Kept when the outbox tells of the beginning, which is seconds after it, and until the session has its outcome; its
record says it from then on. A session of whose beginning nothing was kept has the names of when it is sealed.
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from billing.models import Cdr, SessionOrigin
from core import clock
from stations.models import Evse, Site, Transaction


def keep(keys: Collection[UUID]) -> int:
    """Keep the names of these sessions as they are, once each; how many were looked at."""
    sessions = Transaction.objects.filter(pk__in=list(keys)).select_related("driver", "site", "evse")
    now = clock.now()
    rows = [SessionOrigin(transaction=one, content=names_of(one), kept_at=now) for one in sessions]
    return len(SessionOrigin.objects.bulk_create(rows, ignore_conflicts=True))


def of(session: Transaction, replaced: Cdr | None = None) -> Mapping[str, Any]:
    """The names of the beginning; of a corrected record those that it had."""
    if replaced is not None:
        return {name: replaced.content[name] for name in ("driver", "place")}
    kept = SessionOrigin.objects.filter(pk=session.pk).values_list("content", flat=True).first()
    return kept or names_of(session)


def forget(key: UUID) -> None:
    """Its outcome is decided: names are kept where they are needed, and nowhere else."""
    SessionOrigin.objects.filter(pk=key).delete()


def names_of(session: Transaction) -> dict[str, Any]:
    """As they are now."""
    return {
        "driver": None if session.driver is None else session.driver.name,
        "place": place_of(session.site, session.evse, session.connector_id),
    }


def place_of(site: Site | None, evse: Evse | None, connector_id: int | None = None) -> dict[str, Any]:
    """Where it is, as a record says it."""
    told = {} if site is None else {
        "name": site.name, "address": site.address, "city": site.city,
        "postal_code": site.postal_code, "country": site.country,
    }  # fmt: skip
    return {**told, "evse": None if evse is None else evse.code, "connector_id": connector_id}
