"""The kinds of routes that a version's table may hold.

``Direct`` touches no database and may overtake others (Heartbeat). ``Collected`` goes through the group
commit: its facts are written with those of other stations and it is answered after that commit.
``Decided`` is synchronous Django code on the bounded pool: atomic, returns after its commit.
``Chosen`` looks at the payload to tell which.

A handler raises :class:`core.errors.DomainError` (translated in ``errors.py``) or
:class:`stations.ocpp.errors.Refused`. In a lenient payload every field that is no key field may hold a
neutral value (empty text or list, 0, False) or a text that the schema does not list.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from stations.domain.events import ConnectorStatusReported, ReadingsReported, TransactionEventReported
from stations.domain.intents import Intent
from stations.ocpp.context import Json, Socket

Fact = ReadingsReported | ConnectorStatusReported | TransactionEventReported
Answer = Callable[[Socket, Json, datetime], Json]
Decode = Callable[[Socket, Json, datetime], Sequence[Fact]]


@dataclass(frozen=True, slots=True)
class Direct:
    """Answered at once on the event loop."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Collected:
    """Decoded on the event loop, stored by the group commit, answered after it."""

    decode: Decode
    answer: Answer


@dataclass(frozen=True, slots=True)
class Decided:
    """Handled on a thread, alone among the messages of its socket."""

    handle: Answer


@dataclass(frozen=True, slots=True)
class Chosen:
    """Picks the route by the payload."""

    pick: Callable[[Json], Direct | Collected | Decided]


Route = Direct | Collected | Decided | Chosen
Routes = Mapping[str, Route]


Keep = Callable[[], None]


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """An action with its payload, ready for the wire. ``more`` follow it in the same turn (P212).

    ``builds_up``: each of them stands on the one before, so none is said after one that was refused.
    ``keep`` writes down what has to exist before the station can report of it, in the transaction of the claim.
    It raises a :class:`core.errors.DomainError` where the call must not leave.
    """

    action: str
    payload: Json
    more: tuple["OutboundCall", ...] = ()
    builds_up: bool = False
    keep: Keep | None = None


def in_a_row(calls: Sequence[OutboundCall]) -> OutboundCall:
    """Several CALLs, at least one, as the first that the others follow."""
    first, *more = calls
    return replace(first, more=tuple(more))


Outbound = Mapping[type[Intent], Callable[[Socket, Any], OutboundCall]]
"""Raises :class:`core.errors.NotSupported` where this version has no such thing."""

Interpret = Callable[[str, Json], str]
"""(action, response payload) to the command's end: ``accepted`` or ``rejected``."""
