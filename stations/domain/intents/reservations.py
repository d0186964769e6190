"""Keeping an EVSE free for somebody (2.0.1 block H)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from stations.domain.intents.base import Intent
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveNow(Intent):
    """ReserveNow (2.0.1 H01). Without an EVSE any one is kept, with ``connector_type`` any one of that kind.

    ``reservation`` is our row and ``number`` the station's name for it; services give both, and
    the ``group_value`` of the token's group.
    """

    name: ClassVar[str] = "reserve_now"
    permission: ClassVar[str] = "commands.session"
    effect_window_s: ClassVar[int | None] = 30
    needs: ClassVar[Capability | None] = Capability.RESERVATION
    may_wait: ClassVar[bool] = False

    token_value: str
    expires_at: datetime
    token_type: str = "Central"
    evse_id: int | None = None
    connector_type: str = ""
    group_value: str = ""
    reservation: UUID | None = None
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReservation(Intent):
    """CancelReservation (2.0.1 H02). ``number`` is the station's name for our row; services give it."""

    name: ClassVar[str] = "cancel_reservation"
    permission: ClassVar[str] = "commands.session"
    effect_window_s: ClassVar[int | None] = 30

    reservation: UUID
    evse_id: int | None = None
    number: int = 0
