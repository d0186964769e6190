"""Callers that were turned away, and stations that two devices claim to be: stored in batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models.functions import Lower

from stations import live
from stations.models import Alert, ChargingStation, Connection, SecurityEvent
from stations.services import alerts

DUPLICATE_IDENTITY = "DuplicateIdentity"
TAKE_OVERS_PER_MINUTE = 5
TOO_MANY_TRIES = "too_many_tries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refused upgrade. ``reason`` is a word for programs, ``detail`` the sentence that pages show."""

    at: datetime
    identity: str
    address: str
    status: int
    reason: str
    detail: str
    offered: str = ""
    station_id: UUID | None = None
    organization_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """A second socket with valid credentials took the station from a live one (S-11)."""

    at: datetime
    station_id: UUID
    organization_id: UUID
    old_address: str
    new_address: str


class Known(NamedTuple):
    id: UUID
    organization_id: UUID
    identity: str


def store(refusals: Sequence[Refusal]) -> None:
    """Write refused upgrades, each with the station that its identity resembles; announces them."""
    rows = _resolved(refusals)
    Connection.objects.bulk_create([_row(refusal) for refusal in rows])
    for refusal in rows:
        if refusal.reason == TOO_MANY_TRIES and refusal.station_id and refusal.organization_id:
            _raise_too_many(refusal)
    told = {(r.organization_id, r.station_id) for r in rows if r.organization_id and r.station_id}
    for organization_id, station_id in told:
        live.announce("connection", organization_id, station_id, station_id=station_id)


def store_take_overs(take_overs: Sequence[TakeOver]) -> None:
    """Write one event per take-over; more than five of a station in a minute raise an alert."""
    SecurityEvent.objects.bulk_create([_event(t) for t in take_overs], ignore_conflicts=True)
    for take_over in {t.station_id: t for t in take_overs}.values():
        since = take_over.at - timedelta(minutes=1)
        events = SecurityEvent.objects.filter(
            station_id=take_over.station_id, type=DUPLICATE_IDENTITY, received_at__gt=since
        )
        if events.count() > TAKE_OVERS_PER_MINUTE:
            _raise_duplicate(take_over)


def likely_identities(identity: str) -> list[str]:
    """What a mistyped identity may have been meant to be: without blanks, slashes, or its doubling."""
    plain = identity.strip().strip("/").strip()
    parts = plain.split("/")
    half = len(parts) // 2
    doubled = ["/".join(parts[:half])] if len(parts) % 2 == 0 and parts[:half] == parts[half:] else []
    return [word for word in dict.fromkeys([plain, *doubled]) if word]


def _resolved(refusals: Sequence[Refusal]) -> list[Refusal]:
    unknown = [refusal.identity for refusal in refusals if refusal.station_id is None]
    known = _stations_like(unknown)
    return [r if r.station_id else _resembling(r, known) for r in refusals]


def _stations_like(identities: Iterable[str]) -> dict[str, Known]:
    words = {word.lower() for identity in set(identities) for word in likely_identities(identity)}
    if not words:
        return {}
    rows = (
        ChargingStation.objects.live()
        .annotate(folded=Lower("identity"))
        .filter(folded__in=words)
        .values_list("id", "organization_id", "identity")
    )
    return {row[2].lower(): Known(*row) for row in rows}


def _resembling(refusal: Refusal, known: dict[str, Known]) -> Refusal:
    for word in likely_identities(refusal.identity):
        station = known.get(word.lower())
        if station is not None:
            return replace(
                refusal,
                station_id=station.id,
                organization_id=station.organization_id,
                detail=_cure(refusal, station.identity) or refusal.detail,
            )
    return refusal


def _cure(refusal: Refusal, meant: str) -> str:
    if refusal.reason != "unknown_identity" or refusal.identity == meant:
        return ""
    said = f"It called itself “{refusal.identity}”; the station here is “{meant}”."
    if refusal.identity.strip().strip("/").strip() == meant:
        return f"{said} Remove the blank or slash around the identity."
    if "/" in refusal.identity:
        return f"{said} The identity is entered twice: use the base address."
    return f"{said} Upper and lower case count."


def _row(refusal: Refusal) -> Connection:
    return Connection(
        organization_id=refusal.organization_id,
        station_id=refusal.station_id,
        identity=refusal.identity[:255],
        address=refusal.address[:64],
        outcome=Connection.Outcome.REFUSED,
        offered_protocols=refusal.offered[:255],
        opened_at=refusal.at,
        closed_at=refusal.at,
        http_status=refusal.status,
        reason=refusal.reason,
        detail=refusal.detail[:255],
    )


def _event(take_over: TakeOver) -> SecurityEvent:
    return SecurityEvent(
        station_id=take_over.station_id,
        type=DUPLICATE_IDENTITY,
        tech_info=f"{take_over.new_address} took over from {take_over.old_address}",
        occurred_at=take_over.at,
        received_at=take_over.at,
    )


def _raise_too_many(refusal: Refusal) -> None:
    assert refusal.station_id is not None
    assert refusal.organization_id is not None
    alerts.raise_(
        TOO_MANY_TRIES,
        station_id=refusal.station_id,
        organization_id=refusal.organization_id,
        severity=Alert.Severity.WARNING,
        detail=f"Too many refused tries in a minute from {refusal.address}. Somebody may be guessing the password.",
        at=refusal.at,
    )


def _raise_duplicate(take_over: TakeOver) -> None:
    alerts.raise_(
        "duplicate_identity",
        station_id=take_over.station_id,
        organization_id=take_over.organization_id,
        severity=Alert.Severity.CRITICAL,
        detail=f"Two devices use the password of this station, at {take_over.old_address} and "
        f"{take_over.new_address}. Make a new password if one of them is not yours.",
        at=take_over.at,
    )
