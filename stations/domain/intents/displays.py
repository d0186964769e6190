"""Messages on displays, and what a running session costs so far (2.0.1 blocks O and I)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from stations.domain.displays import DisplayText
from stations.domain.intents.base import Intent
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDisplayMessage(Intent):
    """SetDisplayMessage (2.0.1 O01, O02, O06). ``display_message`` names one of ours that is to be replaced.

    ``number`` is the station's name for our row and ``reference`` for the session; services give both.
    """

    name: ClassVar[str] = "set_display_message"
    permission: ClassVar[str] = "variables.edit"
    effect_window_s: ClassVar[int | None] = 60

    texts: tuple[DisplayText, ...]
    priority: str = "normal_cycle"
    state: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    transaction: UUID | None = None
    component: str = ""
    component_instance: str = ""
    evse_id: int | None = None
    display_message: UUID | None = None
    reference: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDisplayMessages(Intent):
    """GetDisplayMessages (2.0.1 O03, O04): all, or those of the numbers, the priority and the state."""

    name: ClassVar[str] = "get_display_messages"
    permission: ClassVar[str] = "variables.edit"
    effect_window_s: ClassVar[int | None] = 60
    needs: ClassVar[Capability | None] = Capability.DISPLAY
    safe_to_repeat: ClassVar[bool] = True

    numbers: tuple[int, ...] = ()
    priority: str = ""
    state: str = ""
    request_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearDisplayMessage(Intent):
    """ClearDisplayMessage (2.0.1 O05). ``number`` is the station's name for our row; services give it."""

    name: ClassVar[str] = "clear_display_message"
    permission: ClassVar[str] = "variables.edit"
    needs: ClassVar[Capability | None] = Capability.DISPLAY

    display_message: UUID
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CostUpdated(Intent):
    """CostUpdated (2.0.1 I02): what the running session costs so far. ``reference`` is given by services."""

    name: ClassVar[str] = "cost_updated"
    permission: ClassVar[str] = "commands.station"
    may_wait: ClassVar[bool] = False

    transaction: UUID
    total_cost: Decimal
    reference: str = ""
