"""Reading and writing the device model (2.0.1 block B); 1.6 configuration keys are the same thing."""

from dataclasses import dataclass
from typing import ClassVar

from stations.domain.intents.base import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableItem:
    """One variable to read or write; on 1.6 ``variable`` is the configuration key."""

    variable: str
    component: str = ""
    instance: str = ""
    evse_id: int | None = None
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
