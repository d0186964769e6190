"""What Stripe's objects say, in our words. They are read here and nowhere else."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing.providers.base import (
    DisputeState,
    MovementKind,
    RemoteCard,
    RemoteDispute,
    RemoteMovement,
    RemotePayment,
    RemoteRefund,
    RemoteState,
)
from core.money import Money, minor_units

_STATE = {
    "requires_capture": RemoteState.HELD,
    "succeeded": RemoteState.RECEIVED,
    "canceled": RemoteState.RELEASED,
}
_NOT_BEGUN = (RemoteState.WAITING, RemoteState.FAILED)
_PAGE = {"open": RemoteState.WAITING, "expired": RemoteState.RELEASED}
_EXPONENTS = {"ISK": 2, "UGX": 2, "MGA": 0}
_DISPUTE = {
    "won": DisputeState.WON,
    "warning_closed": DisputeState.WON,
    "prevented": DisputeState.WON,
    "lost": DisputeState.LOST,
}
_KIND = {
    "charge": MovementKind.PAYMENT,
    "payment": MovementKind.PAYMENT,
    "refund": MovementKind.REFUND,
    "payment_refund": MovementKind.REFUND,
    "payout": MovementKind.PAYOUT,
    "payout_cancel": MovementKind.PAYOUT,
    "payout_failure": MovementKind.PAYOUT,
    "stripe_fee": MovementKind.FEE,
}


def payment(found: Any) -> RemotePayment:
    """A PaymentIntent."""
    error = getattr(found, "last_payment_error", None)
    refused = found.status == "requires_payment_method" and error is not None
    state = RemoteState.FAILED if refused else _STATE.get(found.status, RemoteState.WAITING)
    return RemotePayment(
        reference=found.id, state=state, amount=money(found.amount, found.currency),
        received=money(found.amount_received or 0, found.currency),
        failure=str(getattr(error, "message", "") or "")[:200] if error else "", card=card(found),
    )  # fmt: skip


def page(found: Any, begun: RemotePayment | None) -> RemotePayment:
    """A Checkout Session and, once a person began to pay, its PaymentIntent.

    While the page is open a declined card ends nothing: the person tries another.
    """
    amount = money(found.amount_total, found.currency)
    state = _PAGE.get(found.status, RemoteState.WAITING)
    if begun is None:
        return RemotePayment(
            reference="", state=state, amount=amount, received=Money.zero(amount.currency),
            checkout=found.id, url=found.url or "",
        )  # fmt: skip
    ended = begun.state not in _NOT_BEGUN or found.status not in _PAGE
    return RemotePayment(
        reference=begun.reference, state=begun.state if ended else state, amount=begun.amount,
        received=begun.received, checkout=found.id, url=found.url or "", failure=begun.failure, card=begun.card,
    )  # fmt: skip


def card(found: Any) -> RemoteCard | None:
    """Only where it may be used again and the provider told which card it is."""
    method = getattr(found, "payment_method", None)
    kept = getattr(found, "setup_future_usage", None) == "off_session" and getattr(found, "customer", None)
    told = getattr(method, "card", None)
    if method is None or told is None or not kept:
        return None
    return RemoteCard(str(found.customer), method.id, f"{str(told.brand).title()} ···· {told.last4}")


def refund(found: Any) -> RemoteRefund:
    failed = found.status in ("failed", "canceled")
    failure = getattr(found, "failure_reason", None) or str(found.status)
    return RemoteRefund(
        reference=found.id, done=found.status == "succeeded", failure=failure if failed else "",
        amount=money(found.amount, found.currency), key=getattr(found.metadata, "key", ""),
    )  # fmt: skip


def dispute(found: Any) -> RemoteDispute:
    state = _DISPUTE.get(found.status, DisputeState.OPEN)
    return RemoteDispute(found.id, state, money(found.amount, found.currency))


def movement(found: Any) -> RemoteMovement:
    """A BalanceTransaction, with its ``source`` expanded."""
    source = getattr(found, "source", None)
    is_dispute = getattr(source, "object", None) == "dispute"
    kind = MovementKind.DISPUTE if is_dispute else _KIND.get(found.type, MovementKind.OTHER)
    refunded = getattr(source, "id", None) if kind == MovementKind.REFUND else None
    return RemoteMovement(
        reference=found.id, kind=kind, amount=money(found.amount, found.currency),
        fee=money(found.fee, found.currency), at=datetime.fromtimestamp(found.created, UTC),
        about=str(getattr(source, "payment_intent", None) or ""), refund=str(refunded or ""),
        text=str(getattr(found, "description", None) or found.type)[:200],
    )  # fmt: skip


def money(units: int, currency: str) -> Money:
    code = currency.upper()
    return Money(Decimal(units).scaleb(-exponent(code)), code)


def exponent(currency: str) -> int:
    """How many decimal places Stripe's whole numbers have (docs.stripe.com/currencies, special cases)."""
    return _EXPONENTS.get(currency, minor_units(currency))


def step(currency: str) -> int:
    """In which steps of them amounts are taken: in whole crowns and shillings, and in tenths of three places."""
    if currency in _EXPONENTS and minor_units(currency) < exponent(currency):
        return 100
    return 10 if exponent(currency) == 3 else 1
