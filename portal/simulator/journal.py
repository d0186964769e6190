"""What a station sent and which answers it received (H-04), so that tests can compare with the database."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from portal.simulator.outlet import Transaction

Json = dict[str, Any]
STRAY_MAX = 1_000


class Outcome(StrEnum):
    PENDING = "pending"
    ANSWERED = "answered"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    LOST = "lost"


@dataclass(slots=True)
class Exchange:
    """A CALL of the station and what became of it; ``sent_at`` is real time."""

    message_id: str | int
    action: str
    payload: Json
    sent_at: datetime
    outcome: Outcome = Outcome.PENDING
    answer: Json | None = None
    error_code: str = ""
    error_text: str = ""
    took_ms: float | None = None


@dataclass(slots=True)
class Order:
    """A CALL of the CSMS and what the station answered."""

    message_id: str
    action: str
    payload: Json
    received_at: datetime
    answer: Json | None = None
    error_code: str = ""


@dataclass(slots=True)
class Tally:
    """Counts of one station or of a whole fleet."""

    sent: int = 0
    orders: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    took_ms: deque[float] = field(default_factory=lambda: deque(maxlen=2_000))


class Journal:
    """Everything of one station, in order; ``keep`` bounds it for large fleets (0 only counts)."""

    def __init__(self, *, keep: int | None = None, tally: Tally | None = None) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=keep)
        self.orders: deque[Order] = deque(maxlen=keep)
        self.transactions: deque[Transaction] = deque(maxlen=keep)
        self.stray: deque[str] = deque(maxlen=STRAY_MAX if keep is None else keep)
        self.tally = tally or Tally()

    def sent(self, message_id: str | int, action: str, payload: Json) -> Exchange:
        exchange = Exchange(message_id, action, payload, datetime.now(UTC))
        self.exchanges.append(exchange)
        self.tally.sent += 1
        return exchange

    def settled(self, exchange: Exchange, outcome: Outcome) -> None:
        exchange.outcome = outcome
        took = datetime.now(UTC) - exchange.sent_at
        exchange.took_ms = took.total_seconds() * 1000
        self.tally.outcomes[outcome] += 1
        if outcome is Outcome.ANSWERED:
            self.tally.took_ms.append(exchange.took_ms)
        elif exchange.error_code:
            self.tally.errors[exchange.error_code] += 1

    def ordered(self, message_id: str, action: str, payload: Json) -> Order:
        order = Order(message_id, action, payload, datetime.now(UTC))
        self.orders.append(order)
        self.tally.orders += 1
        return order

    def of(self, action: str) -> list[Exchange]:
        """All tries of one action."""
        return [exchange for exchange in self.exchanges if exchange.action == action]

    def acknowledged(self, action: str) -> list[Exchange]:
        """Those that the CSMS answered with a CALLRESULT."""
        return [exchange for exchange in self.of(action) if exchange.outcome is Outcome.ANSWERED]
