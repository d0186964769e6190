"""What the handlers of one socket may know: who is at the other end, and how to treat it."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from stations.domain.treatment import Treatment
from stations.domain.vendor_data import Masks
from stations.domain.words import Registration, Version

TOLERANCES = ("no_subprotocol", "hex_password", "integer_ids", "binary_frames")
NO_PONG = "no_pong"

Json = Mapping[str, Any]
Value = TypeVar("Value")

MEMORY_SIZE = 64


class Memory(OrderedDict[str, Any]):
    """A few things worth remembering for the life of a socket; the oldest is forgotten."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > MEMORY_SIZE:
            self.popitem(last=False)


class Repaired(dict[str, Any]):
    """A payload that was repaired before it was taken (ocpp.md section 4); each repair is named."""

    __slots__ = ("repairs",)

    def __init__(self, payload: Json, repairs: tuple[str, ...]) -> None:
        super().__init__(payload)
        self.repairs = repairs


def repairs_of(payload: Json) -> tuple[str, ...]:
    """What had to be repaired in this payload; empty for nearly all."""
    return payload.repairs if isinstance(payload, Repaired) else ()


@dataclass(slots=True, kw_only=True, eq=False)
class Socket:
    """One accepted connection of one station. Made by the handshake; ``registration`` follows the boot.

    ``tolerances`` are those of ``no_subprotocol``, ``hex_password``, ``integer_ids`` and
    ``binary_frames`` that are on. ``subprotocol`` is what the 101 answers with.
    """

    station_id: UUID
    organization_id: UUID
    site_id: UUID | None
    identity: str
    version: Version
    epoch: int
    gateway: str
    registration: Registration = Registration.ACCEPTED
    lenient: bool = False
    tolerances: frozenset[str] = frozenset()
    subprotocol: str | None = None
    address: str = ""
    ever_booted: bool = True
    energy_factor: Decimal | None = None
    max_power_w: int | None = None
    call_timeout_s: int = 30
    ping_interval_s: int = 25
    pong_required: bool = True
    heartbeat_interval_s: int = 300
    data_masks: Masks | None = None
    """The operator's paths in bodies of vendors; looked up with each DataTransfer, ``None`` before the first."""
    memory: Memory = field(default_factory=Memory)
    ask: Callable[[str, Json], Json] | None = None
    """Send a CALL to this station from a handler's thread and wait for its answer; set by the session."""

    @property
    def accepted(self) -> bool:
        return self.registration == Registration.ACCEPTED

    def treat(self, treatment: Treatment) -> None:
        """How this station is to be treated, once its boot told what make it is; its sub-protocol stays."""
        self.lenient = treatment.lenient
        self.tolerances = frozenset(word for word in TOLERANCES if treatment.tolerates(word))
        self.energy_factor = treatment.energy_factor
        if treatment.call_timeout_s is not None:
            self.call_timeout_s = treatment.call_timeout_s
        self.pong_required = not treatment.tolerances.get(NO_PONG, False)

    def tolerates(self, tolerance: str) -> bool:
        return tolerance in self.tolerances
