"""Messages of vendors, for which OCPP only gives the envelope (block P)."""

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class TransferStatus(StrEnum):
    """How a data transfer was answered; ``UNANSWERED`` where no answer came or it was an error."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN_MESSAGE_ID = "unknown_message_id"
    UNKNOWN_VENDOR_ID = "unknown_vendor_id"


class RuleUse(StrEnum):
    """What a rule is for: answering what stations send, or carrying texts to displays of OCPP 1.6."""

    ANSWER = "answer"
    DISPLAY_TEXT = "display_text"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTransferred:
    """A station sent something of its vendor. ``data`` is the JSON text of the body, empty without one."""

    vendor_id: str
    message_id: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAnswer:
    """``data`` is what goes back, as text; empty for nothing."""

    status: TransferStatus
    data: str = ""
