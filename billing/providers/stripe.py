"""Stripe by its official library, over the guard of outgoing requests (billing B-35 to B-42)."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import stripe
from django.conf import settings

from billing.providers import stripe_objects
from billing.providers.base import (
    ProviderRefused,
    ProviderUnclear,
    RemoteCard,
    RemoteDispute,
    RemoteEvent,
    RemoteMovement,
    RemotePayment,
    RemoteRefund,
    Wish,
    WrongKeys,
    WrongSignature,
)
from core import egress
from core.money import Money

TOLERANCE_S = 300
PATIENCE_S = 20.0
AT_ONCE = 100
_REFUSALS = (400, 402, 404)


class GuardedClient(stripe.HTTPClient):
    """The library's way to the network: no redirects, checked addresses, little time (security W-17)."""

    name = "egress"

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        body = None if method == "get" else _bytes(post_data)
        schemes = frozenset(egress.PORTS) if egress.is_listed(url) else egress.HTTPS_ONLY
        try:
            answer = egress.fetch(url, body=body, headers=headers, schemes=schemes, total_s=PATIENCE_S)
        except (egress.EgressFailed, egress.EgressRefused) as error:
            raise stripe.APIConnectionError(str(error)) from error  # type: ignore[no-untyped-call]
        return answer.body.decode(errors="replace"), answer.status, {"content-type": answer.content_type}

    def close(self) -> None:
        """Nothing is kept open."""


class Stripe:
    """One organization's account at Stripe."""

    def __init__(self, key: str, webhook_secret: str) -> None:
        self._secret = webhook_secret
        self._client = stripe.StripeClient(
            key,
            http_client=GuardedClient(),
            base_addresses={"api": settings.STRIPE_API_BASE},
            max_network_retries=0,
        ).v1

    def authorize(self, wish: Wish, *, key: str) -> RemotePayment:
        intent: dict[str, Any] = {"metadata": {"payment": wish.payment_id}, "description": wish.description}
        if wish.hold:
            intent["capture_method"] = "manual"
        if wish.save:
            intent["setup_future_usage"] = "off_session"
        given: dict[str, Any] = {
            "mode": "payment",
            "success_url": wish.back,
            "cancel_url": wish.back,
            "client_reference_id": wish.payment_id,
            "line_items": [{"quantity": 1, "price_data": {
                "currency": wish.amount.currency.lower(),
                "unit_amount": _units(wish.amount),
                "product_data": {"name": wish.description},
            }}],
            "payment_intent_data": intent,
        }  # fmt: skip
        if wish.customer:
            given["customer"] = wish.customer
        elif wish.save:
            given["customer_creation"] = "always"
        options: Any = {"idempotency_key": key}
        made = _asked(lambda: self._client.checkout.sessions.create(params=given, options=options))  # type: ignore[arg-type]
        return self._of_page(made)

    def read(self, reference: str) -> RemotePayment:
        if reference.startswith("cs_"):
            found = _asked(lambda: self._client.checkout.sessions.retrieve(reference))
            return self._of_page(found)
        expand: Any = {"expand": ["payment_method"]}
        found = _asked(lambda: self._client.payment_intents.retrieve(reference, params=expand))
        return stripe_objects.payment(found)

    def find_charge(self, card: RemoteCard, payment_id: str) -> RemotePayment | None:
        """By what we wrote on it, for Stripe forgets our keys after a day."""
        wanted: Any = {"customer": card.customer, "limit": AT_ONCE}
        found = _asked(lambda: self._client.payment_intents.list(wanted))
        ours = (one for one in found.data if getattr(one.metadata, "payment", "") == payment_id)
        return next((stripe_objects.payment(one) for one in ours), None)

    def capture(self, reference: str, amount: Money, *, key: str) -> RemotePayment:
        given: Any = {"amount_to_capture": _units(amount)}
        options: Any = {"idempotency_key": key}
        made = _asked(lambda: self._client.payment_intents.capture(reference, given, options))
        return stripe_objects.payment(made)

    def void(self, reference: str, *, key: str) -> RemotePayment:
        options: Any = {"idempotency_key": key}
        if reference.startswith("cs_"):
            page = _asked(lambda: self._client.checkout.sessions.expire(reference, options=options))
            return self._of_page(page)
        made = _asked(lambda: self._client.payment_intents.cancel(reference, options=options))
        return stripe_objects.payment(made)

    def refund(self, reference: str, amount: Money, *, key: str) -> RemoteRefund:
        given: Any = {"payment_intent": reference, "amount": _units(amount), "metadata": {"key": key}}
        options: Any = {"idempotency_key": key}
        return stripe_objects.refund(_asked(lambda: self._client.refunds.create(given, options)))

    def refunds(self, reference: str) -> Sequence[RemoteRefund]:
        wanted: Any = {"payment_intent": reference, "limit": AT_ONCE}
        return [stripe_objects.refund(one) for one in _asked(lambda: self._client.refunds.list(wanted)).data]

    def disputes(self, reference: str) -> Sequence[RemoteDispute]:
        wanted: Any = {"payment_intent": reference, "limit": AT_ONCE}
        return [
            stripe_objects.dispute(one) for one in _asked(lambda: self._client.disputes.list(wanted)).data
        ]

    def movements(self, begin: datetime, end: datetime) -> Iterator[RemoteMovement]:
        wanted: dict[str, Any] = {
            "created": {"gte": int(begin.timestamp()), "lt": int(end.timestamp())},
            "expand": ["data.source"], "limit": AT_ONCE,
        }  # fmt: skip
        more = True
        while more:
            found = _asked(lambda: self._client.balance_transactions.list(wanted))  # type: ignore[arg-type]
            yield from (stripe_objects.movement(one) for one in found.data)
            more = bool(found.has_more and found.data)
            if more:
                wanted["starting_after"] = found.data[-1].id

    def charge_saved(self, card: RemoteCard, wish: Wish, *, key: str) -> RemotePayment:
        given: Any = {
            "amount": _units(wish.amount),
            "currency": wish.amount.currency.lower(),
            "customer": card.customer,
            "payment_method": card.reference,
            "confirm": True,
            "off_session": True,
            "description": wish.description,
            "metadata": {"payment": wish.payment_id},
        }
        options: Any = {"idempotency_key": key}
        return stripe_objects.payment(_asked(lambda: self._client.payment_intents.create(given, options)))

    def test(self) -> str:
        """The currencies that the account at Stripe has a balance in: a harmless question with the key."""
        balance = _asked(lambda: self._client.balance.retrieve())
        return ", ".join(sorted({one.currency.upper() for one in balance.available})) or "Stripe"

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> RemoteEvent:
        """Raises :class:`WrongSignature` for what is not signed with our secret within the tolerance."""
        try:
            text = body.decode()
            stripe.WebhookSignature.verify_header(
                text, headers.get("Stripe-Signature") or "", self._secret, TOLERANCE_S
            )
            told = json.loads(text)
            thing = told["data"]["object"]
            name = str(thing.get("id") or "")
            if not name.startswith(("cs_", "pi_")):  # a charge, refund or dispute names what it belongs to
                name = str(thing.get("payment_intent") or name)
            return RemoteEvent(str(told["id"])[:255], str(told["type"])[:100], name[:255])
        except (
            stripe.SignatureVerificationError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        ) as error:
            raise WrongSignature(type(error).__name__) from error

    def _of_page(self, found: Any) -> RemotePayment:
        intent = getattr(found, "payment_intent", None)
        return stripe_objects.page(found, self.read(str(intent)) if intent else None)


def _asked(ask: Callable[[], Any]) -> Any:
    """The library's errors in our words: only what Stripe itself refuses is refused, all else is in doubt.

    A wrong key says nothing of what was asked before with the right one.
    """
    try:
        return ask()
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise WrongKeys(str(error.user_message or type(error).__name__)[:200]) from error
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        if error.http_status not in _REFUSALS:
            raise ProviderUnclear(type(error).__name__) from error
        raise ProviderRefused(str(error.user_message or type(error).__name__)[:200]) from error
    except stripe.StripeError as error:
        raise ProviderUnclear(type(error).__name__) from error


def _units(money: Money) -> int:
    """Raises :class:`ProviderRefused` for what Stripe takes in larger steps only."""
    units = money.amount.scaleb(stripe_objects.exponent(money.currency))
    if units % stripe_objects.step(money.currency):
        raise ProviderRefused(f"Stripe takes no amount of {money.amount} {money.currency}.")
    return int(units)


def _bytes(data: Any) -> bytes:
    return data if isinstance(data, bytes) else str(data or "").encode()
