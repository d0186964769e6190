"""Which command's answer is being stored just now, so that facts can name who asked for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from stations.models import Command

_in_hand: ContextVar[UUID | None] = ContextVar("command_in_hand", default=None)


@contextmanager
def about(command_id: UUID) -> Iterator[None]:
    """While an answer to this command is stored."""
    before = _in_hand.set(command_id)
    try:
        yield
    finally:
        _in_hand.reset(before)


def command() -> Command | None:
    """The command in hand; ``None`` for what nobody asked for."""
    found = _in_hand.get()
    return None if found is None else Command.objects.select_related("station").get(pk=found)


def issuer() -> str:
    """Who issued the command in hand; empty without one."""
    asked = command()
    return asked.issued_by if asked else ""
