"""What we want from a station, imperative and version-neutral (OCPP 2.0.1 words in snake case).

An intent is stored with its command as JSON (:func:`to_json`) and translated at the door, by the table
of the version that the station is connected with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar
from uuid import UUID

from core.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """``name`` is the command's word in the API; ``safe_to_repeat`` marks reads and triggers (M-09)."""

    name: ClassVar[str]
    safe_to_repeat: ClassVar[bool] = False
    may_wait: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStartTransaction(Intent):
    """RequestStartTransaction (2.0.1 F01/F02), 1.6 RemoteStartTransaction.

    ``remote_start_id`` ties the transaction that follows to this command; services give it.
    """

    name: ClassVar[str] = "request_start_transaction"
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
    may_wait: ClassVar[bool] = False

    transaction: UUID
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetStation(Intent):
    """Reset (2.0.1 B11/B12). ``kind`` is ``immediate`` (1.6 Hard) or ``on_idle`` (1.6 Soft)."""

    name: ClassVar[str] = "reset"

    kind: str
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockConnector(Intent):
    """UnlockConnector (2.0.1 F05)."""

    name: ClassVar[str] = "unlock_connector"
    may_wait: ClassVar[bool] = False

    evse_id: int
    connector_id: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAvailability(Intent):
    """ChangeAvailability (2.0.1 G03/G04). No EVSE means the whole station."""

    name: ClassVar[str] = "change_availability"

    operational_status: str
    evse_id: int | None = None
    connector_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerMessage(Intent):
    """TriggerMessage (2.0.1 F06). ``message`` is the 2.0.1 word in snake case."""

    name: ClassVar[str] = "trigger_message"
    safe_to_repeat: ClassVar[bool] = True

    message: str
    evse_id: int | None = None
    connector_id: int | None = None


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
    safe_to_repeat: ClassVar[bool] = True

    items: tuple[VariableItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariables(Intent):
    """SetVariables (2.0.1 B05), 1.6 ChangeConfiguration (one key a command)."""

    name: ClassVar[str] = "set_variables"

    items: tuple[VariableItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetBaseReport(Intent):
    """GetBaseReport (2.0.1 B07); services give the ``request_id``. On 1.6 all configuration keys."""

    name: ClassVar[str] = "get_base_report"
    safe_to_repeat: ClassVar[bool] = True

    kind: str
    request_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Intent):
    """Any action of the version the station is connected with, its payload as it goes on the wire."""

    name: ClassVar[str] = "call"

    action: str
    payload: Mapping[str, Any]


INTENTS: Mapping[str, type[Intent]] = {
    kind.name: kind
    for kind in (
        RequestStartTransaction,
        RequestStopTransaction,
        ResetStation,
        UnlockConnector,
        ChangeAvailability,
        TriggerMessage,
        GetVariables,
        SetVariables,
        GetBaseReport,
        Call,
    )
}


def to_json(intent: Intent) -> dict[str, Any]:
    """The intent's parameters as stored with the command; absent ones are left out."""
    return {
        key: str(value) if isinstance(value, UUID) else value
        for key, value in asdict(intent).items()
        if value is not None
    }


def from_json(name: str, parameters: Mapping[str, Any]) -> Intent:
    """The intent that :func:`to_json` stored. Raises :class:`Invalid` for an unknown name or parameter."""
    kind = INTENTS.get(name)
    if kind is None:
        raise Invalid(f"There is no command “{name}”.", field="command")
    unknown = set(parameters) - {f.name for f in fields(kind)}
    if unknown:
        raise Invalid(f"The command “{name}” has no parameter “{min(unknown)}”.", field=min(unknown))
    values = dict(parameters)
    if "items" in values:
        values["items"] = _items(values["items"])
    if "transaction" in values:
        values["transaction"] = UUID(str(values["transaction"]))
    try:
        return kind(**values)
    except TypeError as error:
        raise Invalid(f"The command “{name}” lacks a parameter: {error}.", field="command") from error


def _items(raw: Sequence[Mapping[str, Any]]) -> tuple[VariableItem, ...]:
    return tuple(VariableItem(**item) for item in raw)
