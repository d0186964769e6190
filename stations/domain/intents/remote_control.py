"""Starting, stopping, restarting, unlocking, availability and triggers (2.0.1 blocks B, E, F, G)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from stations.domain.intents.base import Intent

RESUME = "immediate_and_resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStartTransaction(Intent):
    """RequestStartTransaction (2.0.1 F01/F02), 1.6 RemoteStartTransaction.

    ``remote_start_id`` ties the transaction that follows to this command; services give it.
    """

    name: ClassVar[str] = "request_start_transaction"
    permission: ClassVar[str] = "commands.session"
    effect_window_s: ClassVar[int | None] = 90
    may_wait: ClassVar[bool] = False

    token_value: str
    token_type: str = "Central"
    evse_id: int | None = None
    remote_start_id: int = 0
    charging_profile: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStopTransaction(Intent):
    """RequestStopTransaction (2.0.1 F03), 1.6 RemoteStopTransaction.

    ``transaction`` is our row, ``reference`` the station's name for it.
    """

    name: ClassVar[str] = "request_stop_transaction"
    permission: ClassVar[str] = "commands.session"
    effect_window_s: ClassVar[int | None] = 60
    may_wait: ClassVar[bool] = False

    transaction: UUID
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetStation(Intent):
    """Reset (2.0.1 B11/B12). ``kind`` is ``immediate`` (1.6 Hard), ``on_idle`` (1.6 Soft) or
    ``immediate_and_resume`` (2.1: sessions go on afterwards).
    """

    name: ClassVar[str] = "reset"
    permission: ClassVar[str] = "commands.station"
    effect_window_s: ClassVar[int | None] = 300

    kind: str
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockConnector(Intent):
    """UnlockConnector (2.0.1 F05)."""

    name: ClassVar[str] = "unlock_connector"
    permission: ClassVar[str] = "commands.session"
    may_wait: ClassVar[bool] = False

    evse_id: int
    connector_id: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAvailability(Intent):
    """ChangeAvailability (2.0.1 G03/G04). No EVSE means the whole station."""

    name: ClassVar[str] = "change_availability"
    permission: ClassVar[str] = "commands.station"
    effect_window_s: ClassVar[int | None] = 30

    operational_status: str
    evse_id: int | None = None
    connector_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerMessage(Intent):
    """TriggerMessage (2.0.1 F06). ``message`` is the 2.0.1 word in snake case; with ``custom_trigger`` (2.1)
    ``custom`` is the vendor's own word.
    """

    name: ClassVar[str] = "trigger_message"
    permission: ClassVar[str] = "commands.station"
    effect_window_s: ClassVar[int | None] = 30
    safe_to_repeat: ClassVar[bool] = True

    message: str
    evse_id: int | None = None
    connector_id: int | None = None
    custom: str | None = None
