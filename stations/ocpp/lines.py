"""A held socket, as the gateway and the consumer share it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from stations.ocpp.context import Json, Socket
from stations.services.connections import Held

Deliver = Callable[[UUID], None]
Call = Callable[[str, Json], Awaitable[Any]]
HangUp = Callable[[int, str], Awaitable[None]]


class Line:
    """The handshake gives the way to close the socket; the consumer gives the way to bring it a command
    (``deliver``) and to say something of our own accord (``call``, raises ``CallFailed``)."""

    __slots__ = ("call", "credential_id", "deliver", "hang_up", "left", "socket")

    def __init__(self, socket: Socket, credential_id: UUID | None, hang_up: HangUp) -> None:
        self.socket = socket
        self.credential_id = credential_id
        self.hang_up = hang_up
        self.deliver: Deliver | None = None
        self.call: Call | None = None
        self.left = False

    @property
    def held(self) -> Held:
        return Held(self.socket.station_id, self.socket.epoch, self.credential_id)
