"""Firmware and logs (1.6 sections 4.4, 4.5, 5.9, 5.19 and the security extension's signed updates and logs)."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from core import clock
from core.errors import NotSupported
from stations.domain import intents
from stations.domain.firmware import FirmwareKind, FirmwareStateReported, LogStateReported
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v16 import fields
from stations.services import firmware, logs

LOG: Mapping[str, str] = {"diagnostics": "DiagnosticsLog", "security": "SecurityLog"}
UPLOAD: Mapping[str, str] = {"UploadFailed": "UploadFailure"}
"""Words of DiagnosticsStatusNotification that are others in 2.0.1."""


def firmware_status(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """FirmwareStatusNotification and SignedFirmwareStatusNotification; the first has no request id."""
    event = FirmwareStateReported(
        kind=FirmwareKind.UPDATE,
        status=fields.text(payload, "status", 30),
        request_id=fields.request_id(payload),
    )
    firmware.reported(socket, event, received_at)
    return {}


def diagnostics_status(socket: Socket, payload: Json, received_at: datetime) -> Json:
    word = fields.text(payload, "status", 30)
    event = LogStateReported(status=UPLOAD.get(word, word))
    logs.reported(socket, event, received_at, message="diagnostics_status_notification")
    return {}


def log_status(socket: Socket, payload: Json, received_at: datetime) -> Json:
    event = LogStateReported(status=fields.text(payload, "status", 30), request_id=fields.request_id(payload))
    logs.reported(socket, event, received_at)
    return {}


def update_firmware(socket: Socket, intent: intents.UpdateFirmware) -> OutboundCall:
    """With a signature it is the security extension's SignedUpdateFirmware."""
    signed = bool(intent.signature and intent.signing_certificate)
    if signed and intent.signature_optional:
        signed = logs.knows_security(socket)
    keep = partial(firmware.begin, socket, intent, signed=signed)
    retrieve_at = clock.to_wire(intent.retrieve_at or clock.now())
    if not signed:
        payload = {"location": intent.location, "retrieveDate": retrieve_at, **_retries(intent)}
        return OutboundCall("UpdateFirmware", payload, keep=keep)
    image: dict[str, Any] = {
        "location": intent.location,
        "retrieveDateTime": retrieve_at,
        "signingCertificate": intent.signing_certificate,
        "signature": intent.signature,
    }
    if intent.install_at is not None:
        image["installDateTime"] = clock.to_wire(intent.install_at)
    payload = {"requestId": intent.request_id, "firmware": image, **_retries(intent)}
    return OutboundCall("SignedUpdateFirmware", payload, keep=keep)


def get_log(socket: Socket, intent: intents.GetLog) -> OutboundCall:
    """Diagnostics of a station without the security extension have an action of their own."""
    if intent.kind not in LOG:
        raise NotSupported(f"OCPP 1.6 has no log “{intent.kind}”.", field="kind")
    keep = partial(logs.begin, socket, intent)
    if intent.kind == "diagnostics" and not logs.knows_security(socket):
        names = {"startTime": intent.oldest_at, "stopTime": intent.latest_at}
        diagnostics = {"location": intent.location, **_times(names), **_retries(intent)}
        return OutboundCall("GetDiagnostics", diagnostics, keep=keep)
    names = {"oldestTimestamp": intent.oldest_at, "latestTimestamp": intent.latest_at}
    payload = {
        "requestId": intent.request_id,
        "logType": LOG[intent.kind],
        "log": {"remoteLocation": intent.location, **_times(names)},
        **_retries(intent),
    }
    return OutboundCall("GetLog", payload, keep=keep)


def absorb_update(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """UpdateFirmware is answered with nothing: it was taken."""
    firmware.answered(socket, FirmwareKind.UPDATE, None, "Accepted", at)


def absorb_signed_update(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    status = fields.text(response, "status", 30)
    firmware.answered(socket, FirmwareKind.UPDATE, request.get("requestId"), status, at)


def absorb_diagnostics(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """No file name: the station has nothing to upload (TC_045)."""
    name = fields.text(response, "fileName")
    logs.answered(socket, None, "Accepted" if name else "Nothing", name, at)


def absorb_log(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    status, name = fields.text(response, "status", 30), fields.text(response, "filename")
    logs.answered(socket, request.get("requestId"), status, name, at)


def _retries(intent: intents.UpdateFirmware | intents.GetLog) -> dict[str, int]:
    named = {"retries": intent.retries, "retryInterval": intent.retry_interval_s}
    return {name: value for name, value in named.items() if value is not None}


def _times(named: Mapping[str, datetime | None]) -> dict[str, str]:
    return {name: clock.to_wire(at) for name, at in named.items() if at is not None}
