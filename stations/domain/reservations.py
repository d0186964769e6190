"""Reservations: an EVSE, or any one of a kind, kept free for a token (2.0.1 block H, 1.6 sections 5.8 and 5.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class ReservationStatus(StrEnum):
    """``requested`` until the station answers; ``refused`` says its answer, ``failed`` that there was none."""

    REQUESTED = "requested"
    ACTIVE = "active"
    USED = "used"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REMOVED = "removed"
    REFUSED = "refused"
    FAILED = "failed"


OPEN = frozenset({ReservationStatus.REQUESTED, ReservationStatus.ACTIVE})

_S = ReservationStatus
NEXT: Mapping[ReservationStatus, frozenset[ReservationStatus]] = {
    _S.REQUESTED: frozenset(
        {_S.ACTIVE, _S.REFUSED, _S.FAILED, _S.USED, _S.EXPIRED, _S.REMOVED, _S.CANCELLED}
    ),
    _S.ACTIVE: frozenset({_S.USED, _S.CANCELLED, _S.EXPIRED, _S.REMOVED}),
    # An answer that was lost may have been "accepted": what the station reports later is believed.
    _S.FAILED: frozenset({_S.ACTIVE, _S.USED, _S.EXPIRED, _S.REMOVED}),
    # A start within its time that was told late.
    _S.EXPIRED: frozenset({_S.USED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationEnded:
    """The station gave a reservation up by itself (ReservationStatusUpdate). ``status`` says why."""

    number: int
    status: ReservationStatus
    detail: str
