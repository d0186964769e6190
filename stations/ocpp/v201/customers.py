"""CustomerInformation and what comes of it (2.0.1 N09, N10)."""

from datetime import datetime
from functools import partial
from typing import Any

from core.errors import NotSupported
from stations.domain import intents
from stations.models import Report
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import monitoring, outbound
from stations.services import customers, reports

KIND = "CustomerInformation"
CERTIFICATE = {
    "hash_algorithm": "hashAlgorithm",
    "issuer_name_hash": "issuerNameHash",
    "issuer_key_hash": "issuerKeyHash",
    "serial_number": "serialNumber",
}


def ask(socket: Socket, intent: intents.CustomerInformation) -> OutboundCall:
    """Tokens of the types that 2.0.1 knows."""
    if intent.token_type is not None and intent.token_type not in outbound.TOKEN_TYPES:
        raise NotSupported(f"OCPP 2.0.1 has no tokens of the type “{intent.token_type}”.", field="token")
    return asking(socket, intent)


def asking(socket: Socket, intent: intents.CustomerInformation) -> OutboundCall:
    """CustomerInformation, whatever types of tokens the version knows; parts are expected from now on."""
    payload: dict[str, Any] = {
        "requestId": intent.request_id,
        "report": intent.report,
        "clear": intent.clear,
    }
    if intent.token_value is not None:
        payload["idToken"] = {"idToken": intent.token_value, "type": intent.token_type or "Central"}
    if intent.customer_identifier is not None:
        payload["customerIdentifier"] = intent.customer_identifier
    if intent.certificate is not None:
        payload["customerCertificate"] = {
            CERTIFICATE.get(name, name): value for name, value in intent.certificate.items()
        }
    about = Report.About.CUSTOMER
    keep = partial(reports.expect, socket.station_id, intent.request_id, KIND, about=about)
    return OutboundCall("CustomerInformation", payload, keep=keep)


def notify(socket: Socket, payload: Json, received_at: datetime) -> Json:
    part = monitoring.part_of(socket, payload, received_at)
    customers.store_part(socket, part, str(payload.get("data", "")), received_at)
    return {}


def absorb_promise(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    if isinstance(request.get("requestId"), int):
        status = str(response.get("status", ""))
        reports.answered(socket, Report.About.CUSTOMER, request["requestId"], KIND, status)
