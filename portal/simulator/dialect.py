"""What a protocol version must be able to say; the station itself knows no version."""

from collections.abc import Awaitable
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from portal.simulator.journal import Json
from portal.simulator.outlet import Outlet, OutletState, Reading, Transaction
from portal.simulator.transport import Reply

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

Message = tuple[str, Json]


class Cause(StrEnum):
    """Why a running transaction is reported, in the words of 2.x."""

    PERIODIC = "MeterValuePeriodic"
    STATE = "ChargingStateChanged"
    AUTHORIZED = "Authorized"
    REQUESTED = "Trigger"


class Dialect(Protocol):
    """Builds messages and answers commands in one version of OCPP."""

    version: str
    subprotocol: str

    def boot(self, station: "SimulatedStation", reason: str) -> Json: ...

    def authorize(self, token: str) -> Json: ...

    def authorized(self, answer: Json) -> bool: ...

    def status_word(self, state: OutletState) -> str: ...

    def status(self, station: "SimulatedStation", outlet: Outlet) -> Message: ...

    def meter_values(self, station: "SimulatedStation", outlet: Outlet, reading: Reading) -> Message: ...

    def started(
        self, station: "SimulatedStation", transaction: Transaction, reading: Reading
    ) -> Awaitable[object]: ...

    def updated(
        self, station: "SimulatedStation", transaction: Transaction, reading: Reading, cause: Cause
    ) -> Awaitable[object]: ...

    def ended(
        self, station: "SimulatedStation", transaction: Transaction, reading: Reading
    ) -> Awaitable[object]: ...

    def answer(self, station: "SimulatedStation", action: str, payload: Json) -> Reply: ...
