"""What of a command may be kept: secrets by their names everywhere, and the operator's paths in vendors' bodies."""

from typing import Any
from uuid import UUID

from stations.domain.intents import Call, DataTransfer
from stations.domain.secrecy import masked
from stations.services import data_transfers


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


def response(organization_id: UUID, command: str, given: dict[str, Any], answered: Any) -> Any:
    """A station's answer as it is kept; ``given`` are the parameters of its command."""
    shown = masked(answered)
    vendor = given.get("vendor_id") or (given.get("payload") or {}).get("vendorId")
    if command in (DataTransfer.name, Call.name) and vendor and isinstance(shown, dict):
        return data_transfers.concealed(organization_id, str(vendor), shown)
    return shown
