"""Many tokens at once: all of them or none (security.md W-25)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import IntegrityError
from django.db.models.functions import Lower
from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission
from core.errors import Conflict, DomainError, Passing
from drivers.models import Driver, IdToken, TokenImport
from drivers.services import blocks, imports, tokens

MOST_ROWS = 2000
BATCH = 500
CHANGEABLE = ("label", "driver", "group", *blocks.FIELDS, "valid_from", "expires_at", "sessions_at_once")


class Known(StrEnum):
    """What happens to a row whose token is known already."""

    REFUSE = "refuse"
    SKIP = "skip"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with one row, counted from 0."""

    row: int
    field: str
    message: str


@dataclass(slots=True)
class Outcome:
    """What an import does, or would do. With errors nothing was written."""

    created: list[IdToken] = field(default_factory=list)
    updated: list[tuple[IdToken, dict[str, list[str | None]]]] = field(default_factory=list)
    before: list[dict[str, Any]] = field(default_factory=list)  # what each of the updated was
    skipped: int = 0
    errors: list[RowError] = field(default_factory=list)
    batch: TokenImport | None = None


def import_tokens(
    rows: Sequence[Mapping[str, Any]],
    *,
    known: Known,
    by: Actor,
    dry_run: bool = False,
    drivers: Sequence[Driver] = (),
) -> Outcome:
    """Check all rows, then write all or, where one is wrong or it is a dry run, none.

    A row has ``value``, ``type`` and any of ``CHANGEABLE``; ``drivers`` were made for them in this transaction.
    Raises :class:`Conflict` where somebody makes one of the tokens known meanwhile.
    """
    by.require_everywhere(Permission.DRIVERS_MANAGE)
    outcome = _judged(rows, known, by)
    if not dry_run and not outcome.errors:
        _write(outcome, drivers, by)
    return outcome


def _judged(rows: Sequence[Mapping[str, Any]], known: Known, by: Actor) -> Outcome:
    outcome, present, seen = Outcome(), _present(rows, by), set[tuple[str, str]]()
    for number, row in enumerate(rows):
        key = _key(row["value"], row["type"])
        if key in seen:
            outcome.errors.append(RowError(number, "value", "This token stands twice in the import."))
            continue
        seen.add(key)
        try:
            _judge(row, present.get(key), known, by, outcome)
        except DomainError as error:
            outcome.errors.append(RowError(number, error.field or "value", error.message))
    return outcome


def _judge(row: Mapping[str, Any], token: IdToken | None, known: Known, by: Actor, outcome: Outcome) -> None:
    details = {name: row[name] for name in CHANGEABLE if name in row}
    if token is None:
        outcome.created.append(tokens.draft(value=row["value"], type_=row["type"], by=by, **details))
    elif known is Known.REFUSE:
        raise Conflict(f"The token “{token.value}” is already known.", field="value")
    elif known is Known.SKIP:
        outcome.skipped += 1
    else:
        if details.get("status") == token.effective_status():
            del details["status"]  # expired by its date, which is not a status to keep
        changes = tokens.changes_of(token, details)
        outcome.before.append(imports.state_of(token))
        tokens.assign(token, details, by)
        outcome.updated.append((token, changes))


def _present(rows: Iterable[Mapping[str, Any]], by: Actor) -> dict[tuple[str, str], IdToken]:
    """The known tokens among the rows."""
    values = {row["value"].strip().lower() for row in rows}
    found = (
        IdToken.objects.live()
        .visible_to(by)
        .annotate(lower=Lower("value"))
        .filter(lower__in=values)
        .select_related("group", "driver")
    )
    return {_key(token.value, token.type): token for token in found}


def _key(value: str, type_: str) -> tuple[str, str]:
    return value.strip().lower(), type_


def _write(outcome: Outcome, drivers: Sequence[Driver], by: Actor) -> None:
    try:
        with atomic():
            IdToken.objects.bulk_create(outcome.created, batch_size=BATCH)
            IdToken.objects.bulk_update(
                [token for token, _ in outcome.updated], list(CHANGEABLE), batch_size=BATCH
            )
            audit.record_each(
                "token.created", ((one, {"status": [None, one.status]}) for one in outcome.created), by=by
            )
            audit.record_each("token.changed", outcome.updated, by=by)
            changed = zip((token for token, _ in outcome.updated), outcome.before, strict=True)
            outcome.batch = imports.keep(outcome.created, changed, drivers, by=by)
    except IntegrityError as error:
        raise Passing("One of the tokens was made known meanwhile. Try it again.", retry_after_s=1) from error
