"""What services must know of the station that speaks to them; a socket is one, and so is a plain reference."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from stations.domain.words import Registration, Version


class StationSide(Protocol):
    """The station at the other end, as facts are stored for it."""

    @property
    def station_id(self) -> UUID: ...

    @property
    def organization_id(self) -> UUID: ...

    @property
    def site_id(self) -> UUID | None: ...

    @property
    def registration(self) -> Registration: ...

    @property
    def max_power_w(self) -> int | None: ...

    @property
    def version(self) -> Version | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StationRef:
    """A station without a socket."""

    station_id: UUID
    organization_id: UUID
    site_id: UUID | None = None
    registration: Registration = Registration.ACCEPTED
    max_power_w: int | None = None
    version: Version | None = None


def cost_key(reference: str) -> str:
    """Where a socket remembers what its running session of that name costs so far."""
    return f"cost:{reference}"
