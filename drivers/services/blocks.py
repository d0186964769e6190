"""What tokens and drivers have in common when they are blocked."""

from collections.abc import Collection
from datetime import datetime

from core import clock
from core.errors import Invalid
from drivers.models.blocks import BLOCKED, Blockable

FIELDS = ("status", "blocked_reason", "blocked_until")
LONGEST_REASON = 200


def put(holder: Blockable, *, reason: str, until: datetime | None) -> dict[str, list[str | None]]:
    """Block the object alone; answers with what the audit keeps. Raises :class:`Invalid` for an end that is past."""
    require_end(until)
    before = holder.block_end
    holder.status, holder.blocked_reason, holder.blocked_until = BLOCKED, line(reason)[:LONGEST_REASON], until
    return {"blocked_until": [_said(before), _said(until)]} if before != until else {}


def lift(holder: Blockable) -> None:
    """Unblock the object alone."""
    holder.status, holder.blocked_reason, holder.blocked_until = holder.UNBLOCKED, "", None


def lift_if_over(holder: Blockable) -> None:
    """Before something is written of it: what is over shall not count as the block that is meant now."""
    if holder.own_status != holder.status:
        lift(holder)


def keep_with_status(holder: Blockable, written: Collection[str]) -> None:
    """Reason and end stand beside a block alone. Raises :class:`Invalid` for what was written and cannot be."""
    if holder.status != BLOCKED:
        holder.blocked_reason, holder.blocked_until = "", None
    elif "blocked_until" in written:
        require_end(holder.blocked_until)
    holder.blocked_reason = line(holder.blocked_reason)
    if len(holder.blocked_reason) > LONGEST_REASON:
        raise Invalid(f"Give at most {LONGEST_REASON} characters.", field="blocked_reason")


def columns(written: Collection[str]) -> list[str]:
    """What is to be saved: with one of the three the others, and with none of them none."""
    return [*{*written, *(FIELDS if not set(FIELDS).isdisjoint(written) else ())}]


def require_end(until: datetime | None) -> None:
    """Raises :class:`Invalid` for an end of a block that does not lie ahead."""
    if until is not None and not (until > clock.now() and clock.is_expiry(until)):
        raise Invalid("A block ends at a time that lies ahead, before the year 3000.", field="blocked_until")


def line(text: str) -> str:
    """One line without blanks around it, and without NUL, which cannot be stored."""
    return " ".join(str(text).replace("\x00", "").split())


def _said(instant: datetime | None) -> str | None:
    return None if instant is None else clock.to_wire(instant)
