"""Keeping what an import did, so that it can be taken back while nothing built upon it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model

from core import audit, clock
from core.access import Actor
from drivers.models import Driver, IdToken, ImportedRow, TokenImport
from drivers.models.imports import UNDO_FOR

OF_TOKEN = (
    "value", "type", "label", "driver_id", "group_id", "status", "blocked_reason", "blocked_until", "valid_from",
    "expires_at", "sessions_at_once",
)  # fmt: skip
OF_DRIVER = (
    "name", "email", "language", "reference", "group_id", "user_id", "status", "blocked_reason", "blocked_until",
)  # fmt: skip
RESTORED = (
    "label", "driver", "group", "status", "blocked_reason", "blocked_until", "valid_from", "expires_at",
    "sessions_at_once",
)  # fmt: skip
BATCH = 500


def state_of(thing: IdToken | Driver) -> dict[str, Any]:
    """All that can be written of it, as JSON has it."""
    names = OF_TOKEN if isinstance(thing, IdToken) else OF_DRIVER
    return {name: _plain(getattr(thing, name)) for name in names}


def digest_of(thing: IdToken | Driver) -> str:
    return hashlib.sha256(json.dumps(state_of(thing), sort_keys=True).encode()).hexdigest()


def keep(
    created: Iterable[IdToken],
    updated: Iterable[tuple[IdToken, Mapping[str, Any]]],
    drivers: Iterable[Driver],
    *,
    by: Actor,
) -> TokenImport | None:
    """Note what was made and changed (a token with what it was before), in the transaction that does it.

    ``None`` where nothing was.
    """
    rows = [
        *(ImportedRow(token=token, digest=digest_of(token)) for token in created),
        *(
            ImportedRow(token=token, before=before, digest=digest_of(token))
            for token, before in updated
            if state_of(token) != before
        ),
        *(ImportedRow(driver=driver, digest=digest_of(driver)) for driver in drivers),
    ]
    if not rows:
        return None
    batch = TokenImport.objects.create(
        organization_id=by.home, made_by=by.label[:200], made_at=clock.now(), **_counts(rows)
    )
    for row in rows:
        row.batch = batch
    ImportedRow.objects.bulk_create(rows, batch_size=BATCH)
    audit.record("tokens.imported", batch, by=by, changes=_counts(rows))
    return batch


def forget(now: datetime) -> int:
    """Drop what cannot be taken back any more: it holds what persons' tokens were before."""
    rows = ImportedRow.objects.filter(batch__made_at__lt=now - UNDO_FOR)
    return rows.filter(pk__in=list(rows.values_list("pk", flat=True)[:10_000])).delete()[0]


def _counts(rows: list[ImportedRow]) -> dict[str, int]:
    tokens = [row for row in rows if row.token is not None]
    updated = sum(row.before is not None for row in tokens)
    return {"created": len(tokens) - updated, "updated": updated, "drivers": len(rows) - len(tokens)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.to_wire(value)
    if isinstance(value, UUID | Model):
        return str(getattr(value, "pk", value))
    return value
