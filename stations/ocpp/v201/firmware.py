"""Firmware and logs (2.0.1 L01 to L04, N01)."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from core import clock
from stations.domain import intents
from stations.domain.firmware import FirmwareKind, FirmwareStateReported, LogStateReported
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.ocpp.v201.outbound import word
from stations.services import firmware, logs

LOG: Mapping[str, str] = {"diagnostics": "DiagnosticsLog", "security": "SecurityLog"}


def firmware_status(socket: Socket, payload: Json, received_at: datetime) -> Json:
    firmware.reported(socket, _state(FirmwareKind.UPDATE, payload), received_at)
    return {}


def publish_status(socket: Socket, payload: Json, received_at: datetime) -> Json:
    firmware.reported(socket, _state(FirmwareKind.PUBLISH, payload), received_at)
    return {}


def log_status(socket: Socket, payload: Json, received_at: datetime) -> Json:
    event = LogStateReported(
        status=fields.text(payload, "status", 30),
        request_id=fields.request_id(payload),
        detail=fields.reason(payload),
    )
    logs.reported(socket, event, received_at)
    return {}


def update_firmware(socket: Socket, intent: intents.UpdateFirmware) -> OutboundCall:
    signed = bool(intent.signature and intent.signing_certificate)
    image: dict[str, Any] = {
        "location": intent.location,
        "retrieveDateTime": clock.to_wire(intent.retrieve_at or clock.now()),
    }
    if intent.install_at is not None:
        image["installDateTime"] = clock.to_wire(intent.install_at)
    if signed:
        image.update(signature=intent.signature, signingCertificate=intent.signing_certificate)
    payload = {"requestId": intent.request_id, "firmware": image, **_retries(intent)}
    keep = partial(firmware.begin, socket, intent, signed=signed)
    return OutboundCall("UpdateFirmware", payload, keep=keep)


def publish_firmware(socket: Socket, intent: intents.PublishFirmware) -> OutboundCall:
    payload = {
        "location": intent.location,
        "checksum": intent.checksum,
        "requestId": intent.request_id,
        **_retries(intent),
    }
    return OutboundCall("PublishFirmware", payload, keep=partial(firmware.begin, socket, intent))


def unpublish_firmware(socket: Socket, intent: intents.UnpublishFirmware) -> OutboundCall:
    return OutboundCall("UnpublishFirmware", {"checksum": intent.checksum})


def get_log(socket: Socket, intent: intents.GetLog) -> OutboundCall:
    return log_of(socket, intent, LOG)


def log_of(socket: Socket, intent: intents.GetLog, kinds: Mapping[str, str]) -> OutboundCall:
    """GetLog, whatever kinds of logs the version knows."""
    kind = word(kinds, intent.kind, "kind")
    log: dict[str, Any] = {"remoteLocation": intent.location}
    if intent.oldest_at is not None:
        log["oldestTimestamp"] = clock.to_wire(intent.oldest_at)
    if intent.latest_at is not None:
        log["latestTimestamp"] = clock.to_wire(intent.latest_at)
    payload = {"requestId": intent.request_id, "logType": kind, "log": log, **_retries(intent)}
    return OutboundCall("GetLog", payload, keep=partial(logs.begin, socket, intent))


def absorb_update(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    _absorb(socket, FirmwareKind.UPDATE, request, response, at)


def absorb_publish(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    _absorb(socket, FirmwareKind.PUBLISH, request, response, at)


def absorb_unpublish(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    checksum, status = fields.text(request, "checksum", 32), fields.text(response, "status", 30)
    firmware.unpublished(socket, checksum, status, at)


def absorb_log(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    status, name = fields.text(response, "status", 30), fields.text(response, "filename")
    logs.answered(socket, request.get("requestId"), status, name, at)


def _absorb(socket: Socket, kind: FirmwareKind, request: Json, response: Json, at: datetime) -> None:
    firmware.answered(socket, kind, request.get("requestId"), fields.text(response, "status", 30), at)


def _state(kind: FirmwareKind, payload: Json) -> FirmwareStateReported:
    return FirmwareStateReported(
        kind=kind,
        status=fields.text(payload, "status", 30),
        request_id=fields.request_id(payload),
        detail=fields.reason(payload),
        locations=tuple(str(url)[:2000] for url in payload.get("location") or ()),
    )


def _retries(intent: intents.UpdateFirmware | intents.PublishFirmware | intents.GetLog) -> dict[str, int]:
    named = {"retries": intent.retries, "retryInterval": intent.retry_interval_s}
    return {name: value for name, value in named.items() if value is not None}
