"""What every payment provider does for us, in our own words; which one it is stays behind this (billing B-35)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.money import Money


class ProviderRefused(Exception):
    """The provider will not do it, whatever we repeat; the text is a short reason for people."""


class ProviderUnclear(Exception):
    """Nobody knows whether it was done: lost, slow or broken. Ask again with the same key."""


class WrongKeys(ProviderUnclear):
    """The provider does not take our keys: nothing was done now; what was done before nobody knows."""


class WrongSignature(Exception):
    """The message is not the provider's, or too old."""


class RemoteState(StrEnum):
    WAITING = "waiting"
    HELD = "held"
    RECEIVED = "received"
    RELEASED = "released"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RemoteCard:
    """A card that the provider keeps for a customer."""

    customer: str
    reference: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePayment:
    """How a payment stands at the provider now. ``reference`` is empty until a person began to pay."""

    reference: str
    state: RemoteState
    amount: Money
    received: Money
    checkout: str = ""
    url: str = ""
    failure: str = ""
    card: RemoteCard | None = None


@dataclass(frozen=True, slots=True)
class RemoteRefund:
    """Neither ``done`` nor with a ``failure``: on its way. One that was done may still fail days later.

    ``key`` is that under which we asked for it, empty where somebody made it at the provider.
    """

    reference: str
    done: bool
    failure: str
    amount: Money
    key: str = ""


class DisputeState(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class RemoteDispute:
    """The cardholder's bank asks for the money back; ``amount`` is what it asks for."""

    reference: str
    state: DisputeState
    amount: Money


class MovementKind(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    FEE = "fee"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteMovement:
    """A line of our account at the provider: ``amount`` in or (negative) out, before its ``fee``.

    ``about`` is the provider's name of the payment that it belongs to and ``refund`` that of the refund, empty where
    there is none.
    """

    reference: str
    kind: MovementKind
    amount: Money
    fee: Money
    at: datetime
    about: str = ""
    refund: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class RemoteEvent:
    """That something happened to an object; what holds now is to be read."""

    id: str
    type: str
    object_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A payment that a person is asked for on the provider's page. ``hold``: set aside, not collected."""

    payment_id: str
    amount: Money
    description: str
    back: str
    hold: bool = False
    customer: str = ""
    save: bool = False


class PaymentProvider(Protocol):
    """Each call takes an idempotency key. All raise :class:`ProviderRefused` or :class:`ProviderUnclear`."""

    def authorize(self, wish: Wish, *, key: str) -> RemotePayment: ...

    def read(self, reference: str) -> RemotePayment: ...

    def find_charge(self, card: RemoteCard, payment_id: str) -> RemotePayment | None:
        """What became of a charge of which no answer came; ``None`` where the provider knows of none."""

    def refunds(self, reference: str) -> Sequence[RemoteRefund]:
        """All refunds of a payment, whoever made them."""

    def disputes(self, reference: str) -> Sequence[RemoteDispute]:
        """All disputes of a payment, open and closed."""

    def movements(self, begin: datetime, end: datetime) -> Iterator[RemoteMovement]:
        """What happened on our account at the provider from ``begin`` to before ``end``."""

    def capture(self, reference: str, amount: Money, *, key: str) -> RemotePayment: ...

    def void(self, reference: str, *, key: str) -> RemotePayment: ...

    def refund(self, reference: str, amount: Money, *, key: str) -> RemoteRefund: ...

    def charge_saved(self, card: RemoteCard, wish: Wish, *, key: str) -> RemotePayment: ...

    def test(self) -> str: ...

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> RemoteEvent: ...
