"""Controls for the grid and requests to swap batteries (OCPP 2.1 blocks R and S)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from stations.domain.intents.base import Intent
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDerControl(Intent):
    """SetDERControl (R04). ``settings`` go into the field that the type asks for; services give an id."""

    name: ClassVar[str] = "set_der_control"
    permission: ClassVar[str] = "variables.edit"
    needs: ClassVar[Capability | None] = Capability.GRID_SUPPORT

    control_type: str
    settings: Mapping[str, Any]
    is_default: bool = False
    control_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDerControl(Intent):
    """GetDERControl (R04); the controls follow in ReportDERControl. No filter means all."""

    name: ClassVar[str] = "get_der_control"
    permission: ClassVar[str] = "commands.station"
    needs: ClassVar[Capability | None] = Capability.GRID_SUPPORT
    effect_window_s: ClassVar[int | None] = 300
    safe_to_repeat: ClassVar[bool] = True

    control_type: str = ""
    control_id: str = ""
    is_default: bool | None = None
    request_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearDerControl(Intent):
    """ClearDERControl (R04): one control, all of a type, or all default or scheduled ones."""

    name: ClassVar[str] = "clear_der_control"
    permission: ClassVar[str] = "variables.edit"
    needs: ClassVar[Capability | None] = Capability.GRID_SUPPORT

    is_default: bool = False
    control_type: str = ""
    control_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBatterySwap(Intent):
    """RequestBatterySwap (S01): hand out a charged battery to the holder of the token."""

    name: ClassVar[str] = "request_battery_swap"
    permission: ClassVar[str] = "commands.session"
    needs: ClassVar[Capability | None] = Capability.BATTERY_SWAP
    effect_window_s: ClassVar[int | None] = 300
    may_wait: ClassVar[bool] = False

    token_value: str
    token_type: str = "Central"
    request_id: int = 0
