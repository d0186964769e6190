"""Payments by the station's own terminal (C18 to C25)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from core.errors import Invalid
from stations.domain import intents, timestamps
from stations.domain.payments import PaymentSettled, SettlementStatus
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.services import payments

LARGEST = Decimal(10) ** 12
COMPANY = ("name", "address1", "address2", "city", "postalCode", "country")


def web_payment_started(socket: Socket, intent: intents.NotifyWebPaymentStarted) -> OutboundCall:
    return OutboundCall("NotifyWebPaymentStarted", {"evseId": intent.evse_id, "timeout": intent.timeout_s})


def notify_settlement(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """The receipt is the station's; we give none, so the answer is empty."""
    stamp = timestamps.stamp_or_receipt(payload.get("settlementTime"), received_at, lenient=socket.lenient)
    company = payload.get("vatCompany")
    event = PaymentSettled(
        psp_ref=_reference(payload),
        status=_status(payload),
        amount=_amount(payload.get("settlementAmount")),
        settled_at=stamp.occurred_at,
        transaction_reference=fields.reference(fields.text(payload, "transactionId")),
        detail=fields.text(payload, "statusInfo", 500),
        receipt_id=fields.text(payload, "receiptId", 50),
        receipt_url=fields.text(payload, "receiptUrl", 2000),
        vat_number=fields.text(payload, "vatNumber", 20),
        vat_company={name: fields.text(company, name, 100) for name in COMPANY if name in company}
        if isinstance(company, Mapping)
        else {},
    )
    payments.settle(socket, event, received_at)
    return {}


def validate_vat_number(socket: Socket, payload: Json, received_at: datetime) -> Json:
    return vat_answer(payload, payments.nothing_checks)


def vat_answer(payload: Json, check: payments.VatCheck) -> Json:
    """The answer to VatNumberValidation by that check."""
    number = fields.text(payload, "vatNumber", 20)
    found = check(number)
    answer: dict[str, Any] = {"vatNumber": number, "status": "Accepted" if found.valid else "Rejected"}
    if payload.get("evseId") is not None:
        answer["evseId"] = fields.whole(payload["evseId"], "evseId")
    if found.reason:
        answer["statusInfo"] = {"reasonCode": found.reason[:20], "additionalInfo": found.detail[:1024]}
    return answer


def _reference(payload: Json) -> str:
    if reference := fields.text(payload, "pspRef"):
        return reference
    raise Invalid("pspRef is empty.", field="pspRef")


def _status(payload: Json) -> SettlementStatus:
    word = fields.text(payload, "status", 30).lower()
    try:
        return SettlementStatus(word)
    except ValueError as error:
        raise Invalid(f"“{word}” is no state of a settlement.", field="status") from error


def _amount(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise Invalid("settlementAmount is no number.", field="settlementAmount") from error
    if not amount.is_finite() or abs(amount) >= LARGEST:
        raise Invalid("settlementAmount is out of range.", field="settlementAmount")
    return amount
