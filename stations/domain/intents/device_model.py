"""Reading and writing the device model (2.0.1 blocks B and C); 1.6 configuration keys are the same thing."""

from dataclasses import dataclass
from typing import ClassVar

from stations.domain.intents.base import Intent
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableItem:
    """One variable to read or write; on 1.6 ``variable`` is the configuration key."""

    variable: str
    component: str = ""
    component_instance: str = ""
    instance: str = ""
    evse_id: int | None = None
    connector_id: int | None = None
    attribute: str = "Actual"
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetVariables(Intent):
    """GetVariables (2.0.1 B06), 1.6 GetConfiguration; no items means all keys, on 1.6 only."""

    name: ClassVar[str] = "get_variables"
    permission: ClassVar[str] = "commands.station"
    safe_to_repeat: ClassVar[bool] = True

    items: tuple[VariableItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariables(Intent):
    """SetVariables (2.0.1 B05), 1.6 ChangeConfiguration (one key a command)."""

    name: ClassVar[str] = "set_variables"
    permission: ClassVar[str] = "variables.edit"

    items: tuple[VariableItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetBaseReport(Intent):
    """GetBaseReport (2.0.1 B07); services give the ``request_id``. On 1.6 all configuration keys."""

    name: ClassVar[str] = "get_base_report"
    permission: ClassVar[str] = "commands.station"
    effect_window_s: ClassVar[int | None] = 300
    safe_to_repeat: ClassVar[bool] = True

    kind: str
    request_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GetReport(Intent):
    """GetReport (2.0.1 B08): components by what they are (``active``, ``available``, ``enabled``, ``problem``), by
    name, or both. An item without a variable means all of its component. Services give the ``request_id``.
    """

    name: ClassVar[str] = "get_report"
    permission: ClassVar[str] = "commands.station"
    effect_window_s: ClassVar[int | None] = 300
    needs: ClassVar[Capability | None] = Capability.DEVICE_MODEL
    safe_to_repeat: ClassVar[bool] = True

    criteria: tuple[str, ...] = ()
    items: tuple[VariableItem, ...] = ()
    request_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCache(Intent):
    """ClearCache (2.0.1 C11, 1.6 section 5.4): the station forgets whom it let charge before."""

    name: ClassVar[str] = "clear_cache"
    permission: ClassVar[str] = "commands.station"
    needs: ClassVar[Capability | None] = Capability.AUTHORIZATION_CACHE
