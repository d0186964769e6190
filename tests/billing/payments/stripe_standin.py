"""A stand-in of Stripe's API in the test process: a real HTTP server with a ledger and faults (promises H-08).

PaymentIntents, Checkout Sessions, Refunds, Disputes and the balance, as far as we ask of them; idempotency keys with
Stripe's rules; signed events. ``lose``: so many requests are carried out, but their answers never arrive; ``locked``:
our key is not taken; ``break_second_page``: lists end in an error; ``refunds_are``: how a refund stands when made.
"""

import contextlib
import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import stripe

SECRET = "whsec_standin"
KEY = "sk_test_standin"


class Refused(Exception):
    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


@dataclass
class StandIn:
    port: int = 0
    lose: int = 0
    break_with: list[int] = field(default_factory=list)
    decline: bool = False
    locked: bool = False
    break_second_page: bool = False
    refunds_are: str = "succeeded"
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    checkouts: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    disputes: dict[str, dict[str, Any]] = field(default_factory=dict)
    balance: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    answers: dict[str, tuple[str, dict[str, str], int, dict[str, Any]]] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def allowed(self) -> tuple[str, ...]:
        return (f"127.0.0.1:{self.port}",)

    def asked_for(self, path: str) -> list[str]:
        """The idempotency keys of the requests to a path that ends so."""
        return [key for method, place, _, key in self.asked if method == "POST" and place.endswith(path)]

    def pay(self, checkout: str, *, save: bool = False) -> dict[str, Any]:
        """A person pays on the page."""
        session = self.checkouts[checkout]
        wanted = session["wanted"]
        manual = wanted.get("payment_intent_data[capture_method]") == "manual"
        intent = self._begun(session)
        self._confirm(intent, manual)
        intent["last_payment_error"] = None
        if save or wanted.get("payment_intent_data[setup_future_usage]"):
            intent["setup_future_usage"], intent["customer"] = "off_session", "cus_1"
        session["status"] = "complete"
        return intent

    def try_another_card(self, checkout: str) -> None:
        """A person's card is declined on the page, which stays open."""
        intent = self._begun(self.checkouts[checkout])
        intent["last_payment_error"] = {"message": "Your card was declined."}

    def dispute(self, intent: dict[str, Any], status: str, amount: int) -> dict[str, Any]:
        """The cardholder's bank asks for money back, or that has ended."""
        key = f"dp_{intent['id']}"
        self.disputes[key] = {"id": key, "object": "dispute", "payment_intent": intent["id"], "status": status,
                              "amount": amount, "currency": intent["currency"]}  # fmt: skip
        return self.disputes[key]

    def move(
        self, kind: str, amount: int, *, fee: int = 0, at: int, source: dict[str, Any] | None = None
    ) -> str:
        """A line of the balance."""
        key = f"txn_{next(self.numbers)}"
        self.balance.insert(0, {
            "id": key, "object": "balance_transaction", "type": kind, "amount": amount, "fee": fee,
            "net": amount - fee, "currency": "eur", "created": at, "source": source, "description": None,
        })  # fmt: skip
        return key

    def forget_keys(self) -> None:
        """A day has passed."""
        self.answers.clear()

    def _begun(self, session: dict[str, Any]) -> dict[str, Any]:
        if session["payment_intent"]:
            return self.intents[session["payment_intent"]]
        wanted = session["wanted"]
        intent = self._intent(int(wanted["line_items[0][price_data][unit_amount]"]), session["currency"])
        intent["metadata"] = {"payment": session["client_reference_id"]}
        session["payment_intent"] = intent["id"]
        return intent

    def event(
        self, kind: str, thing: dict[str, Any], name: str = "", at: int | None = None
    ) -> tuple[bytes, str]:
        """The body and the signature of an event."""
        body = json.dumps({"id": name or f"evt_{next(self.numbers)}", "object": "event", "type": kind,
                           "data": {"object": thing}})  # fmt: skip
        return body.encode(), stripe.WebhookSignature.generate_signature_header(body, SECRET, at)

    def _intent(self, amount: int, currency: str) -> dict[str, Any]:
        key = f"pi_{next(self.numbers)}"
        self.intents[key] = {
            "id": key, "object": "payment_intent", "amount": amount, "amount_received": 0, "currency": currency,
            "status": "requires_payment_method", "refunded": 0, "last_payment_error": None, "customer": None,
            "setup_future_usage": None, "payment_method": None, "metadata": {},
        }  # fmt: skip
        return self.intents[key]

    def _confirm(self, intent: dict[str, Any], manual: bool) -> None:
        intent["payment_method"] = {
            "id": "pm_1",
            "object": "payment_method",
            "card": {"brand": "visa", "last4": "4242"},
        }
        if self.decline:
            intent["last_payment_error"] = {"message": "Your card was declined."}
            raise Refused(402, "Your card was declined.", "card_error")
        intent["status"] = "requires_capture" if manual else "succeeded"
        intent["amount_received"] = 0 if manual else intent["amount"]

    def serve(self, method: str, path: str, given: dict[str, str]) -> dict[str, Any]:  # noqa: C901  a table
        parts = path.removeprefix("/v1/").split("/")
        match (method, *parts):
            case ("GET", "balance"):
                return {"object": "balance", "available": [{"amount": 0, "currency": "eur"}]}
            case ("POST", "checkout", "sessions"):
                key = f"cs_{next(self.numbers)}"
                self.checkouts[key] = {
                    "id": key, "object": "checkout.session", "status": "open", "payment_intent": None,
                    "url": f"https://checkout.stripe.test/{key}", "wanted": given,
                    "currency": given["line_items[0][price_data][currency]"],
                    "amount_total": int(given["line_items[0][price_data][unit_amount]"]),
                    "client_reference_id": given["client_reference_id"],
                }  # fmt: skip
                return self.checkouts[key]
            case ("GET", "checkout", "sessions", key):
                return self._found(self.checkouts, key)
            case ("POST", "checkout", "sessions", key, "expire"):
                return self._expire(self._found(self.checkouts, key))
            case ("GET", "payment_intents"):
                return _list(one for one in self.intents.values() if one["customer"] == given["customer"])
            case ("POST", "payment_intents"):
                intent = self._intent(int(given["amount"]), given["currency"])
                intent["metadata"], intent["customer"] = (
                    {"payment": given["metadata[payment]"]},
                    given["customer"],
                )
                self._confirm(intent, False)
                return intent
            case ("GET", "payment_intents", key):
                return self._found(self.intents, key)
            case ("POST", "payment_intents", key, "capture"):
                return self._capture(self._found(self.intents, key), int(given["amount_to_capture"]))
            case ("POST", "payment_intents", key, "cancel"):
                intent = self._found(self.intents, key)
                if any(
                    one["payment_intent"] == key and one["status"] == "open"
                    for one in self.checkouts.values()
                ):
                    raise Refused(400, "Expire the Checkout Session instead.")
                if intent["status"] == "succeeded":
                    raise Refused(400, "A captured PaymentIntent cannot be canceled.")
                intent["status"] = "canceled"
                return intent
            case ("POST", "refunds"):
                intent = self._found(self.intents, given["payment_intent"])
                return self.refund(intent, int(given["amount"]), given.get("metadata[key]", ""))
            case ("GET", "refunds"):
                wanted = given["payment_intent"]
                return _list(one for one in self.refunds.values() if one["payment_intent"] == wanted)
            case ("GET", "disputes"):
                wanted = given["payment_intent"]
                return _list(one for one in self.disputes.values() if one["payment_intent"] == wanted)
            case ("GET", "balance_transactions"):
                return self._movements(given)
        raise Refused(404, "Unrecognized request URL")

    def _found(self, table: dict[str, dict[str, Any]], key: str) -> dict[str, Any]:
        if key not in table:
            raise Refused(404, f"No such object: {key}")
        return table[key]

    def _capture(self, intent: dict[str, Any], amount: int) -> dict[str, Any]:
        if intent["status"] != "requires_capture" or amount > intent["amount"]:
            raise Refused(400, "This PaymentIntent could not be captured.")
        intent["status"], intent["amount_received"] = "succeeded", amount
        return intent

    def _expire(self, session: dict[str, Any]) -> dict[str, Any]:
        if session["status"] != "open":
            raise Refused(400, "Only Checkout Sessions with a status in [open] can be expired.")
        session["status"] = "expired"
        if session["payment_intent"]:
            self.intents[session["payment_intent"]]["status"] = "canceled"
        return session

    def _movements(self, given: dict[str, str]) -> dict[str, Any]:
        begin, end = int(given["created[gte]"]), int(given["created[lt]"])
        found = [one for one in self.balance if begin <= one["created"] < end]
        after = given.get("starting_after")
        if after and self.break_second_page:
            raise Refused(500, "broken")
        if after:
            found = found[[one["id"] for one in found].index(after) + 1 :]
        size = int(given["limit"])
        return {**_list(found[:size]), "has_more": len(found) > size}

    def refund(self, intent: dict[str, Any], amount: int, key_of_ours: str) -> dict[str, Any]:
        if amount > intent["amount_received"] - intent["refunded"]:
            raise Refused(400, "Refund amount is greater than unrefunded amount on charge.")
        intent["refunded"] += amount
        key = f"re_{next(self.numbers)}"
        self.refunds[key] = {"id": key, "object": "refund", "status": self.refunds_are, "amount": amount,
                             "currency": intent["currency"],
                             "failure_reason": None, "payment_intent": intent["id"],
                             "metadata": {"key": key_of_ours} if key_of_ours else {}}  # fmt: skip
        return self.refunds[key]

    def answer(self, method: str, path: str, given: dict[str, str], key: str) -> tuple[int, dict[str, Any]]:
        self.asked.append((method, path, given, key))
        if self.break_with:
            return self.break_with.pop(0), {"error": {"type": "api_error", "message": "broken"}}
        if method == "POST" and key in self.answers:
            place, before, status, body = self.answers[key]
            if (place, before) != (path, given):
                return 400, {"error": {"type": "idempotency_error", "message": "Keys are for one request."}}
            return status, body
        try:
            status, body = 200, dict(self.serve(method, path, given))
        except Refused as why:
            status, body = why.status, {"error": {"type": why.kind, "message": str(why)}}
        if method == "POST" and key:
            self.answers[key] = (path, given, status, body)
        return status, body


def _list(found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": list(found), "has_more": False, "url": "/"}


@contextmanager
def stand_in() -> Iterator[StandIn]:
    ledger = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def _answer(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            parts = urlsplit(self.path)
            given = {name: values[0] for name, values in parse_qs(f"{body}&{parts.query}").items()}
            if ledger.locked or self.headers.get("Authorization") != f"Bearer {KEY}":
                status, told = 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}
            else:
                status, told = ledger.answer(
                    method, parts.path, given, self.headers.get("Idempotency-Key", "")
                )
            if ledger.lose and method == "POST":
                ledger.lose -= 1
                self.connection.close()
                return
            content = json.dumps(told, default=str).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(OSError, ValueError):  # the line was cut on purpose
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ledger.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield ledger
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
