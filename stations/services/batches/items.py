"""What a batch is made of."""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from stations.domain.events import ConnectorStatusReported, ReadingsReported, TransactionEventReported
from stations.domain.station import StationSide

Fact = ReadingsReported | ConnectorStatusReported | TransactionEventReported


class Connected(StationSide, Protocol):
    """A station with the epoch of the socket on which it speaks, and what is remembered for its life."""

    @property
    def epoch(self) -> int: ...

    @property
    def memory(self) -> MutableMapping[str, Any]: ...


@dataclass(slots=True, eq=False)
class Item:
    """One message: its facts, its row of the frame log, and whom to tell once it is stored or is not."""

    station: Connected
    facts: Sequence[Fact]
    row: str
    done: Callable[[Exception | None], None]
    arrived_s: float = 0.0


@dataclass(slots=True)
class Seen:
    """When a station was last heard of on the socket of that epoch, and by how much its clock is off."""

    epoch: int
    at: datetime
    drift_ms: int | None = None


@dataclass(slots=True)
class Log:
    """What may be written later than it happened: frames, sightings and refusals by schema."""

    rows: list[str] = field(default_factory=list)
    seen: dict[UUID, Seen] = field(default_factory=dict)
    refusals: dict[UUID, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rows or self.seen or self.refusals)
