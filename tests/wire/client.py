"""A raw OCPP client for tests: it sends what it is told and shows what comes back, nothing more."""

import base64
import json
import uuid
from collections import deque
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from stations.models import ChargingStation

TIMEOUT_S = 10.0
SUBPROTOCOL = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}
BOOT = {
    "1.6": {"chargePointVendor": "Probe", "chargePointModel": "P1"},
    "2.0.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Probe", "model": "P2"}},
    "2.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Probe", "model": "P2"}},
}


class CallError(AssertionError):
    """The server answered with a CALLERROR."""

    def __init__(self, frame: list[Any]) -> None:
        super().__init__(f"CALLERROR {frame[2]}: {frame[3]}")
        self.code: str = frame[2]
        self.description: str = frame[3]
        self.details: Any = frame[4]


def basic(identity: str, password: str | bytes) -> str:
    raw = password if isinstance(password, bytes) else password.encode()
    return "Basic " + base64.b64encode(identity.encode() + b":" + raw).decode()


def wire_password(password: str, version: str) -> bytes:
    """What a station sends: on 1.6 the bytes that 40 hexadecimal digits stand for (P015)."""
    if version == "1.6" and len(password) == 40:
        try:
            return bytes.fromhex(password)
        except ValueError:
            pass
    return password.encode()


class WireStation:
    """One socket of one station; a context manager."""

    def __init__(
        self, url: str, identity: str, password: str | bytes, version: str = "1.6", **options: Any
    ) -> None:
        self.version = version
        raw = password if isinstance(password, bytes) else wire_password(password, version)
        headers = {"Authorization": basic(identity, raw), **options.pop("additional_headers", {})}
        options.setdefault("subprotocols", [Subprotocol(SUBPROTOCOL[version])])
        opening = connect(
            f"{url}/{identity}",
            additional_headers=headers,
            open_timeout=TIMEOUT_S,
            close_timeout=2,
            compression=None,
            max_size=2**22,
            proxy=None,
            **options,
        )
        self.socket: ClientConnection = opening.__enter__()
        self.calls: deque[list[Any]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, frame: Any) -> None:
        """Text goes as it is, anything else as JSON."""
        self.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    def receive(self, timeout_s: float = TIMEOUT_S) -> list[Any]:
        """The next frame, whatever it is."""
        return json.loads(self.socket.recv(timeout=timeout_s))

    def answer_to(self, message_id: Any, timeout_s: float = TIMEOUT_S) -> list[Any]:
        """The reply of that id; CALLs of the server that come before it are kept for :meth:`next_call`."""
        while True:
            frame = self.receive(timeout_s)
            if frame[0] == 2:
                self.calls.append(frame)
            elif frame[1] == message_id:
                return frame

    def call(self, action: str, payload: Any, message_id: Any = None) -> dict[str, Any]:
        """Send a CALL and return the payload of its CALLRESULT; a CALLERROR raises :class:`CallError`."""
        message_id = message_id or str(uuid.uuid4())
        self.send([2, message_id, action, payload])
        frame = self.answer_to(message_id)
        if frame[0] != 3:
            raise CallError(frame)
        return frame[2]

    def next_call(self, timeout_s: float = TIMEOUT_S) -> list[Any]:
        """The next CALL of the server: ``[2, id, action, payload]``."""
        if self.calls:
            return self.calls.popleft()
        frame = self.receive(timeout_s)
        assert frame[0] == 2, f"not a CALL: {frame}"
        return frame

    def reply(self, call: list[Any], payload: Any) -> None:
        self.send([3, call[1], payload])

    def boot(self, **details: Any) -> dict[str, Any]:
        return self.call("BootNotification", {**BOOT[self.version], **details})


def dial(
    server_url: str, station: ChargingStation, password: str | bytes, version: str = "1.6", **options: Any
) -> WireStation:
    """Connect as that station."""
    return WireStation(server_url, station.identity, password, version, **options)
