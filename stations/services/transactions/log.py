"""The messages a transaction is made of: each stored once with the answer it was given (M-02)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from stations.domain import timestamps
from stations.domain.events import Stamp
from stations.domain.words import Flag
from stations.models import ChargingStation, Transaction, TransactionConflict, TransactionEvent
from stations.services.authorization import Authorization, from_json

STARTED, UPDATED, ENDED = "Started", "Updated", "Ended"
RENUMBERED = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message as it goes into the log. ``content`` is what tells it from another of its number."""

    seq_no: int
    kind: str
    stamp: Stamp
    digest: bytes
    content: Mapping[str, Any]
    trigger_reason: str = ""
    charging_state: str = ""
    offline: bool = False
    repairs: tuple[str, ...] = ()


def digest_of(*parts: object) -> bytes:
    """What a repeated message is known by."""
    packed = orjson.dumps(parts, default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(packed, digest_size=16).digest()


def sent_time(stamp: Stamp) -> str:
    """The time that a repeat will carry again: the instant, or the text where that could not be used."""
    replaced = Flag.CLOCK_IMPLAUSIBLE in stamp.flags or timestamps.REPAIRED in stamp.flags
    return stamp.as_sent if replaced else stamp.occurred_at.isoformat()


def find(transaction: Transaction, entry: Entry) -> tuple[int, TransactionEvent | None]:
    """The number under which the entry belongs, and what is stored there already.

    A station may begin its numbering anew after a boot (P108): then the number is lifted.
    """
    stored = at_number(transaction, entry.seq_no)
    if stored is None or bytes(stored.digest) == entry.digest or not _renumbered(transaction, stored, entry):
        return entry.seq_no, stored
    lifted = entry.seq_no + RENUMBERED
    return lifted, at_number(transaction, lifted)


def add(transaction: Transaction, entry: Entry, seq_no: int, answer: Authorization | None) -> None:
    """Store a message that was not there; the transaction must be locked."""
    TransactionEvent.objects.create(
        transaction=transaction,
        seq_no=seq_no,
        kind=entry.kind,
        trigger_reason=entry.trigger_reason[:40],
        charging_state=entry.charging_state[:20],
        offline=entry.offline,
        occurred_at=entry.stamp.occurred_at,
        received_at=entry.stamp.received_at,
        sent_time=entry.stamp.as_sent,
        digest=entry.digest,
        answer=answer.to_json() if answer else {},
        repairs=[repair[:120] for repair in entry.repairs],
    )


def answer_of(stored: TransactionEvent) -> Authorization | None:
    """What was answered to the stored message."""
    return from_json(stored.answer)


def contradicts(stored: TransactionEvent, entry: Entry) -> bool:
    return bytes(stored.digest) != entry.digest


def add_conflict(transaction: Transaction, entry: Entry, seq_no: int) -> None:
    """Keep a message that says something else than the stored one of its number, for review (F-14)."""
    row = TransactionConflict(
        transaction=transaction,
        seq_no=seq_no,
        digest=entry.digest,
        content=orjson.loads(orjson.dumps(entry.content, default=str)),
        received_at=entry.stamp.received_at,
    )
    TransactionConflict.objects.bulk_create([row], ignore_conflicts=True)


def at_number(transaction: Transaction, seq_no: int) -> TransactionEvent | None:
    """What is stored under that number."""
    return TransactionEvent.objects.filter(transaction=transaction, seq_no=seq_no).first()


def _renumbered(transaction: Transaction, stored: TransactionEvent, entry: Entry) -> bool:
    booted_at = _booted_at(transaction)
    return (
        booted_at is not None
        and stored.received_at < booted_at <= entry.stamp.received_at
        and entry.stamp.occurred_at > stored.occurred_at
    )


def _booted_at(transaction: Transaction) -> datetime | None:
    return (
        ChargingStation.objects.filter(pk=transaction.station_id).values_list("booted_at", flat=True).first()
    )
