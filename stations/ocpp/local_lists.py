"""SendLocalList as a row of messages that stand on one another; shared by the versions.

The first one carries the whole list or its first changes, the others what found no room in it, as further
changes (D01, 1.6 section 5.15). Each has a version of its own, so that a lost answer leaves no doubt about
what came before it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from stations.domain.events import TokenShown
from stations.domain.intents import SendLocalList
from stations.domain.local_lists import Entry, Shape
from stations.ocpp.context import Json, Socket
from stations.ocpp.portions import Portion, portions
from stations.ocpp.routing import OutboundCall
from stations.services.local_lists import holding, upkeep

ACTION = "SendLocalList"
FULL, DIFFERENTIAL = "Full", "Differential"

Encode = Callable[[Entry, bool], Json]
"""An entry, and whether it is placed (else removed), as the version writes it."""

Compose = Callable[[int, str, Sequence[Json]], Json]
"""The payload of a version, an update type and its items."""


def send(
    socket: Socket, intent: SendLocalList, shape: Shape, limit: Portion, encode: Encode, compose: Compose
) -> OutboundCall:
    """What the station is to be told now. Raises :class:`core.errors.Invalid` where no version is left."""
    sending = holding.sending(socket.station_id, intent.mode, shape)
    items = [encode(entry, False) for entry in sending.changes.removed]
    items += [encode(entry, True) for entry in sending.changes.placed]
    parts = list(portions(items, limit))
    numbers = holding.number_messages(socket.station_id, len(parts))
    payloads = [
        compose(number, FULL if sending.full and place == 0 else DIFFERENTIAL, part)
        for place, (number, part) in enumerate(zip(numbers, parts, strict=True))
    ]
    first, *more = (OutboundCall(ACTION, payload) for payload in payloads)
    return OutboundCall(ACTION, first.payload, tuple(more), builds_up=True)


def absorb(
    socket: Socket,
    number: int,
    update_type: str,
    told: Sequence[tuple[TokenShown, Entry | None]],
    word: str,
    at: datetime,
) -> None:
    """The answer to one message: kept, and read back after the last one; what was refused is sent as a whole.

    Of the tokens told, those without an entry were to be removed.
    """
    if word != "Accepted":
        if holding.refused(socket.station_id, word, at):
            upkeep.send_whole(socket.station_id, word)
        return
    last = holding.took(
        socket.station_id,
        number,
        full=update_type == FULL,
        placed=[entry for _, entry in told if entry is not None],
        removed=[
            Entry(value=token.value, type=token.type, status="") for token, entry in told if entry is None
        ],
        at=at,
    )
    if last:
        upkeep.read_back(socket.station_id)
