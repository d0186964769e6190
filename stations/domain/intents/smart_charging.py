"""Limits and schedules of charging (2.0.1 block K, 2.1 blocks K and Q).

A profile travels as plain JSON in our words (``domain/smart_charging.py``); services check and complete it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from stations.domain.intents.base import Intent
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class SetChargingProfile(Intent):
    """SetChargingProfile (2.0.1 K01). ``evse_id`` 0 is the station; ``transaction`` our row for a tx_profile.

    Services number the profile and say in ``conversion`` how limits were reckoned for the station.
    """

    name: ClassVar[str] = "set_charging_profile"
    permission: ClassVar[str] = "commands.station"
    effect_window_s: ClassVar[int | None] = 30
    needs: ClassVar[Capability | None] = Capability.SMART_CHARGING

    charging_profile: Mapping[str, Any]
    evse_id: int = 0
    transaction: UUID | None = None
    conversion: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearChargingProfile(Intent):
    """ClearChargingProfile (2.0.1 K10): one by its number, or all that match; nothing given means all of ours."""

    name: ClassVar[str] = "clear_charging_profile"
    permission: ClassVar[str] = "commands.station"
    effect_window_s: ClassVar[int | None] = 30
    needs: ClassVar[Capability | None] = Capability.SMART_CHARGING

    charging_profile_id: int | None = None
    evse_id: int | None = None
    purpose: str | None = None
    stack_level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetChargingProfiles(Intent):
    """GetChargingProfiles (2.0.1 K09); services give the ``request_id``."""

    name: ClassVar[str] = "get_charging_profiles"
    permission: ClassVar[str] = "commands.station"
    effect_window_s: ClassVar[int | None] = 60
    needs: ClassVar[Capability | None] = Capability.SMART_CHARGING
    safe_to_repeat: ClassVar[bool] = True

    request_id: int = 0
    evse_id: int | None = None
    purpose: str | None = None
    stack_level: int | None = None
    charging_profile_ids: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCompositeSchedule(Intent):
    """GetCompositeSchedule (2.0.1 K08). EVSE 0 is the station's connection to the grid; ``duration`` in seconds."""

    name: ClassVar[str] = "get_composite_schedule"
    permission: ClassVar[str] = "commands.station"
    needs: ClassVar[Capability | None] = Capability.SMART_CHARGING
    safe_to_repeat: ClassVar[bool] = True

    evse_id: int = 0
    duration: int = 86_400
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsePriorityCharging(Intent):
    """UsePriorityCharging (2.1 K21); services give the station's ``reference`` of the session."""

    name: ClassVar[str] = "use_priority_charging"
    permission: ClassVar[str] = "commands.session"
    effect_window_s: ClassVar[int | None] = 30
    may_wait: ClassVar[bool] = False

    transaction: UUID
    activate: bool = True
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateDynamicSchedule(Intent):
    """UpdateDynamicSchedule (2.1 K28): new figures of an installed dynamic profile."""

    name: ClassVar[str] = "update_dynamic_schedule"
    permission: ClassVar[str] = "commands.station"
    may_wait: ClassVar[bool] = False

    charging_profile_id: int
    update: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyAllowedEnergyTransfer(Intent):
    """NotifyAllowedEnergyTransfer (2.1 Q01): which ways of charging and discharging a session may use."""

    name: ClassVar[str] = "notify_allowed_energy_transfer"
    permission: ClassVar[str] = "commands.session"
    may_wait: ClassVar[bool] = False

    transaction: UUID
    allowed: tuple[str, ...]
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AfrrSignal(Intent):
    """AFRRSignal (2.1 Q09): a value that the station looks up in its profile's curve."""

    name: ClassVar[str] = "afrr_signal"
    permission: ClassVar[str] = "commands.station"
    needs: ClassVar[Capability | None] = Capability.BIDIRECTIONAL
    may_wait: ClassVar[bool] = False

    timestamp: datetime
    signal: int
