"""Messages of vendors in both directions: answered by rules and handlers, kept masked (block P)."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.transaction import atomic

from core.errors import DomainError
from stations import live
from stations.domain.data_transfers import (
    DataTransferred,
    Direction,
    RuleUse,
    TransferAnswer,
    TransferStatus,
)
from stations.domain.station import StationSide
from stations.domain.vendor_data import Masks, Path, body_shown, paths_of, text_of
from stations.models import Command, DataTransfer, DataTransferRule
from stations.services.vendors import HANDLERS, Handlers

logger = logging.getLogger(__name__)

KEPT_CHARACTERS = 65_536
KEPT_FOR = timedelta(days=90)
STATUS_OF_WORD: Mapping[str, TransferStatus] = {
    "Accepted": TransferStatus.ACCEPTED,
    "Rejected": TransferStatus.REJECTED,
    "UnknownMessageId": TransferStatus.UNKNOWN_MESSAGE_ID,
    "UnknownVendorId": TransferStatus.UNKNOWN_VENDOR_ID,
}


def masks_of(organization_id: UUID) -> Masks:
    """The paths that the organization wants masked, by vendor."""
    masks: dict[str, frozenset[Path]] = {}
    rules = DataTransferRule.objects.filter(organization_id=organization_id).exclude(masked_paths=[])
    for vendor_id, paths in rules.values_list("vendor_id", "masked_paths"):
        vendor = vendor_id.lower()
        masks[vendor] = masks.get(vendor, frozenset()) | {tuple(path.split(".")) for path in paths}
    return masks


def receive(
    station: StationSide, event: DataTransferred, received_at: datetime, *, handlers: Handlers = HANDLERS
) -> TransferAnswer:
    """Answer what a station sent, and keep both; whatever goes wrong with a vendor's body is an answer too."""
    paths = paths_of(masks_of(station.organization_id), event.vendor_id)
    with atomic():
        answer = _answer(station, event, handlers)
        DataTransfer.objects.create(
            station_id=station.station_id,
            direction=Direction.IN.value,
            vendor_id=event.vendor_id[:255],
            message_id=event.message_id[:50],
            data=_kept(event.data, paths),
            status=answer.status.value,
            answer_data=_kept(answer.data, paths),
            occurred_at=received_at,
        )
        live.announce_on_commit(
            "station",
            station.organization_id,
            station.station_id,
            site_id=station.site_id,
            station_id=station.station_id,
        )
    return answer


def transfer_settled(command: Command) -> None:
    """Keep what we sent, once, with what the station answered."""
    if command.sent_at is None or command.settled_at is None:
        return
    said, response = _said(command), command.response or {}
    word = STATUS_OF_WORD.get(str(response.get("status", "")))
    DataTransfer.objects.get_or_create(
        command=command,
        defaults={
            "station_id": command.station_id,
            "direction": Direction.OUT.value,
            "vendor_id": said["vendor_id"],
            "message_id": said.get("message_id", ""),
            "data": text_of(said.get("data"))[:KEPT_CHARACTERS],
            "status": word.value if word else "",
            "answer_data": text_of(response.get("data"))[:KEPT_CHARACTERS],
            "occurred_at": command.settled_at,
        },
    )


def _said(command: Command) -> Mapping[str, Any]:
    """What was sent, also where it was said in the words of the wire."""
    payload = command.parameters.get("payload")
    if not isinstance(payload, Mapping):
        return command.parameters  # type: ignore[no-any-return]
    return {
        "vendor_id": str(payload.get("vendorId", "")),
        "message_id": str(payload.get("messageId") or ""),
        "data": payload.get("data"),
    }


def concealed(organization_id: UUID, vendor_id: str, holder: Mapping[str, Any]) -> dict[str, Any]:
    """A body under ``data`` as it may be kept with a command."""
    if holder.get("data") is None:
        return dict(holder)
    paths = paths_of(masks_of(organization_id), vendor_id)
    return {**holder, "data": body_shown(holder["data"], paths)}


def forget(now: datetime) -> int:
    """Drop what is older than it is kept; answers with how many."""
    return DataTransfer.objects.filter(occurred_at__lt=now - KEPT_FOR).delete()[0]


def _answer(station: StationSide, event: DataTransferred, handlers: Handlers) -> TransferAnswer:
    rules = list(
        DataTransferRule.objects.filter(
            organization_id=station.organization_id,
            use=RuleUse.ANSWER.value,
            vendor_id__iexact=event.vendor_id,
        )
    )
    fitting = {rule.message_id: rule for rule in rules if rule.message_id in ("", event.message_id)}
    if rule := fitting.get(event.message_id, fitting.get("")):
        word = TransferStatus.ACCEPTED if rule.accepts else TransferStatus.REJECTED
        return TransferAnswer(status=word, data=rule.answer_data)
    vendor = event.vendor_id.lower()
    if handler := handlers.get((vendor, event.message_id)):
        try:
            with atomic():
                return handler(station, event)
        except (DomainError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            logger.warning("data_transfer.handler_failed", extra={"vendor": vendor}, exc_info=error)
            return TransferAnswer(status=TransferStatus.REJECTED)
    known = bool(rules) or any(name == vendor for name, _ in handlers)
    return TransferAnswer(
        status=TransferStatus.UNKNOWN_MESSAGE_ID if known else TransferStatus.UNKNOWN_VENDOR_ID
    )


def _kept(data: str, paths: frozenset[Path]) -> str:
    shown: str = body_shown(data, paths)
    return shown[:KEPT_CHARACTERS]
