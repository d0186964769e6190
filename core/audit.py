"""Recording who did what; called by every service that writes for an actor, inside its transaction."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Model

from core.access import Actor
from core.models import AuditEntry

HIDDEN = "…"


def record(
    action: str,
    thing: Model,
    *,
    by: Actor,
    changes: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Add one entry. ``changes`` maps a field to its ``[before, after]`` and must hold no secret."""
    written = entry(action, thing, by=by, changes=changes, reason=reason)
    written.save(force_insert=True)
    return written


def entry(
    action: str,
    thing: Model,
    *,
    by: Actor,
    changes: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """The same entry not yet stored, for who stores it by one statement with what it tells of.

    Texts are cut to their columns: an entry that is too long must not undo what it tells of.
    """
    return AuditEntry(
        organization_id=getattr(thing, "organization_id", None) or by.organization_id,
        actor=by.label[:200],
        action=action,
        object_type=thing._meta.label_lower,
        object_id=str(thing.pk),
        object_label=(_said(thing) or "")[:200],
        changes=dict(changes or {}),
        reason=reason.replace("\x00", "")[:500],
        address=by.address[:64],
        request_id=by.request_id[:64],
    )


def record_each(
    action: str, things: Iterable[tuple[Model, Mapping[str, Any]]], *, by: Actor, reason: str = ""
) -> None:
    """Add one entry for each thing and its changes, together."""
    entries = [entry(action, thing, by=by, changes=changes, reason=reason) for thing, changes in things]
    AuditEntry.objects.bulk_create(entries, batch_size=500)


def difference(thing: Model, values: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """``{field: [before, after]}`` of the values that differ from what the object holds."""
    pairs = {name: [getattr(thing, name), value] for name, value in values.items()}
    return {name: [_said(before), _said(after)] for name, (before, after) in pairs.items() if before != after}


def change(before: Any, after: Any, *, hidden: bool = False) -> list[str | None]:
    """``[before, after]`` of one field; of personal data only that it was and is there."""
    if hidden:
        return [HIDDEN if before else None, HIDDEN if after else None]
    return [_said(before), _said(after)]


def _said(value: Any) -> str | None:
    """As text; a person by what stays when their data is erased (``audit_label``)."""
    return None if value is None else str(getattr(value, "audit_label", value))
