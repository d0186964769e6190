"""What of a command may be kept: secrets by their names everywhere, and the operator's paths in vendors' bodies."""

from typing import Any
from uuid import UUID

from stations.domain.intents import Call, DataTransfer
from stations.domain.secrecy import masked
from stations.models import Command
from stations.services import data_transfers

TOKEN_NAMES = frozenset({"token_value", "idTag", "parentIdTag", "idToken"})


def parameters(organization_id: UUID, command: str, given: Any) -> Any:
    """The parameters of a command as they are shown."""
    shown = masked(given)
    if command == DataTransfer.name:
        return data_transfers.concealed(organization_id, shown["vendor_id"], shown)
    if command == Call.name and shown.get("action") == DataTransfer.__name__:
        payload = shown["payload"]
        vendor = str(payload.get("vendorId", ""))
        return {**shown, "payload": data_transfers.concealed(organization_id, vendor, payload)}
    return shown


def answer(command_id: UUID, action: str, given: Any) -> Any:
    """A station's answer to a command as it is kept; a vendor's body by the paths of its organization."""
    shown = masked(given)
    if action != DataTransfer.__name__ or not isinstance(shown, dict):
        return shown
    command = Command.objects.get(pk=command_id)
    asked = command.parameters
    vendor = asked.get("vendor_id") or (asked.get("payload") or {}).get("vendorId")
    return data_transfers.concealed(command.organization_id, str(vendor), shown) if vendor else shown


def for_audit(given: Any) -> Any:
    """The parameters without the values of tokens, since nothing can be erased from the audit (W-29)."""
    if isinstance(given, dict):
        return {
            name: f"…{value[-4:]}"
            if name in TOKEN_NAMES and isinstance(value, str) and value
            else for_audit(value)
            for name, value in given.items()
        }
    return [for_audit(one) for one in given] if isinstance(given, list) else given
