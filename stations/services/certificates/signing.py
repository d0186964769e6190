"""Requests of stations to sign a certificate: answered at once, signed later, never forgotten (P235, C-02).

Who locks what: the station's row, then its requests. A request goes received, waiting, signed, sent,
accepted; it can be rejected at once, replaced by a newer one, or fail, and then says why.
"""

import hashlib
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F
from django.db.transaction import atomic

from core import access, audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from stations import live
from stations.domain.certificates import SigningRequested, SigningStatus, SigningUse
from stations.domain.station import StationSide
from stations.models import Alert, ChargingStation, SigningRequest, Variable
from stations.services import alerts, effects
from stations.services.certificates import reading

PER_HOUR = 5
OVERDUE = timedelta(hours=1)
ALERT = "certificate_not_signed"
LIMIT_NAMES = ("MaxCertificateChainSize", "CertificateSignedMaxChainSize")
SYSTEM = access.system("signing")


def receive(station: StationSide, event: SigningRequested, received_at: datetime) -> bool:
    """Whether the request is taken; what is refused is kept with the reason (C-03, C-05, P237, P239)."""
    with atomic():
        row = (
            ChargingStation.objects.select_for_update(of=("self",))
            .select_related("organization")
            .get(pk=station.station_id)
        )
        digest = hashlib.sha256(event.csr.strip().encode()).digest()
        effects.certificate_requested(station.station_id)
        known = row.signing_requests.open().filter(use=event.use.value, csr_digest=digest).first()
        if known is not None:
            SigningRequest.objects.filter(pk=known.pk).update(
                repeats=F("repeats") + 1, request_id=event.request_id
            )
            return True
        if row.signing_requests.filter(received_at__gt=received_at - timedelta(hours=1)).count() >= PER_HOUR:
            _alert_pace(row, received_at)
            return False
        request = _stored(row, event, digest, received_at)
        tell(request)
    return request.status != SigningStatus.REJECTED


def sign(request: SigningRequest, chain: str, *, by: Actor) -> SigningRequest:
    """Take the signed chain for a request that waits. Raises :class:`Invalid` and :class:`Conflict`."""
    by.require(Permission.SECURITY_MANAGE, request)
    with atomic():
        row = (
            SigningRequest.objects.select_for_update(of=("self",))
            .select_related("station__organization")
            .get(pk=request.pk)
        )
        if row.status not in (SigningStatus.WAITING, SigningStatus.SIGNED):
            raise Conflict("This request does not wait for a certificate any more.")
        _take(row, chain)
        row.status, row.signed_at, row.signed_by = SigningStatus.SIGNED.value, clock.now(), by.label[:200]
        row.tries, row.detail = 0, ""
        row.save()
        audit.record("certificate.signed", row, by=by, changes={"serial_number": [None, row.serial_number]})
        tell(row)
    return row


@atomic
def sent(station: StationSide, request_id: UUID) -> None:
    """The chain is about to leave. Raises :class:`Conflict` where the request has ended meanwhile."""
    rows = SigningRequest.objects.select_for_update(of=("self",)).select_related("station")
    row = rows.get(pk=request_id, station_id=station.station_id)
    if row.status not in (SigningStatus.SIGNED, SigningStatus.SENT):
        raise Conflict("The request of the station has ended meanwhile.")
    row.status, row.sent_at = SigningStatus.SENT.value, clock.now()
    row.save()
    tell(row)


def refuse(request: SigningRequest, reason: str, *, by: Actor) -> SigningRequest:
    """Nobody will sign this one."""
    by.require(Permission.SECURITY_MANAGE, request)
    with atomic():
        row = (
            SigningRequest.objects.select_for_update(of=("self",))
            .select_related("station")
            .get(pk=request.pk)
        )
        if row.status not in (SigningStatus.WAITING, SigningStatus.SIGNED):
            raise Conflict("This request does not wait for a certificate any more.")
        end(row, SigningStatus.FAILED, reason.strip() or "Refused by a person.")
        audit.record("certificate.refused", row, by=by, reason=reason)
    return row


def end(row: SigningRequest, status: SigningStatus, detail: str) -> None:
    """Close the request, for good."""
    now = clock.now()
    row.status, row.detail, row.ended_at = status.value, detail.replace("\x00", "")[:500], now
    row.save()
    alerts.clear(ALERT, station_id=row.station_id, subject=row.use, at=now)
    if status is SigningStatus.FAILED:
        _alert(row, f"The station's certificate was not renewed: {row.detail}", now)
    tell(row)


def watch(now: datetime) -> int:
    """Requests that were taken an hour ago and have no outcome need a person (C-02)."""
    overdue = SigningRequest.objects.open().filter(received_at__lt=now - OVERDUE).select_related("station")
    for row in overdue[:500]:
        _alert(
            row,
            f"A certificate that the station asked for is not there yet: {row.detail or row.status}.",
            now,
        )
    return len(overdue)


def chain_limit(station: ChargingStation) -> int:
    """How long a chain the station takes, as far as it told (P238)."""
    told = Variable.objects.filter(station=station, variable__in=LIMIT_NAMES, attribute="Actual")
    values = (value or "" for value in told.values_list("value", flat=True))
    sizes = [int(value) for value in values if value.isascii() and value.isdigit()]
    return min([reading.CHAIN_MAX, *(size for size in sizes if size > 0)])


def tell(row: SigningRequest) -> None:
    station = row.station
    live.announce_on_commit(
        "station", row.organization_id, station.id, site_id=station.site_id, station_id=station.id
    )


def _stored(
    station: ChargingStation, event: SigningRequested, digest: bytes, received_at: datetime
) -> SigningRequest:
    request = SigningRequest(
        organization_id=station.organization_id,
        station=station,
        use=event.use.value,
        request_id=event.request_id,
        root=asdict(event.root) if event.root else None,
        csr=event.csr.replace("\x00", "")[: reading.CSR_MAX_BYTES],
        csr_digest=digest,
        received_at=received_at,
    )
    try:
        _check(request, event.csr)
    except Invalid as refusal:
        request.status, request.detail = SigningStatus.REJECTED.value, refusal.message[:500]
        request.ended_at = received_at
    else:
        request.status, request.checked_at = SigningStatus.WAITING.value, received_at
        _replace_older(station, event.use, received_at)
    request.save(force_insert=True)
    action = "certificate.requested" if request.open else "certificate.request_rejected"
    audit.record(action, request, by=_station_actor(station), reason=request.detail)
    return request


def _check(request: SigningRequest, pem: str) -> None:
    """What must hold of a request (C-03). That of a V2G certificate names a SECC, not the station."""
    found = reading.request(pem)
    request.subject = reading.subject_of(found)
    request.key = reading.check_key(found.public_key())
    if request.use in (SigningUse.UNSAID, SigningUse.STATION):
        station = request.station
        reading.check_names(found.subject, identity=station.identity, organization=station.organization.name)


def _take(row: SigningRequest, pem: str) -> None:
    """The chain fits the request and the station (P238)."""
    chain = reading.chain(pem)
    leaf = chain[0]
    if reading.key_bytes(leaf.public_key()) != reading.key_bytes(reading.request(row.csr).public_key()):
        raise Invalid("The first certificate holds another key than the request.", field="chain")
    if reading.is_authority(leaf):
        raise Invalid("The first certificate is that of an authority, not of a station.", field="chain")
    if not reading.in_force(leaf, clock.now()):
        raise Invalid("The first certificate is not valid now.", field="chain")
    if row.use in (SigningUse.UNSAID, SigningUse.STATION):
        station = row.station
        try:
            reading.check_names(
                leaf.subject, identity=station.identity, organization=station.organization.name
            )
        except Invalid as refusal:
            raise Invalid(refusal.message, field="chain") from refusal
    plain, limit = reading.plain_chain(chain), chain_limit(row.station)
    if len(plain) > limit:
        raise Invalid(
            f"The chain has {len(plain)} characters; this station takes {limit}. It was not sent.",
            field="chain",
        )
    row.chain, row.expires_at = plain, leaf.not_valid_after_utc
    row.serial_number = f"{leaf.serial_number:x}"[:40]


def _replace_older(station: ChargingStation, use: SigningUse, at: datetime) -> None:
    for old in station.signing_requests.open().filter(use=use.value):
        old.status, old.detail = SigningStatus.REPLACED.value, "The station sent a newer request."
        old.ended_at = at
        old.save()


def _station_actor(station: ChargingStation) -> Actor:
    return Actor(
        kind=access.ActorKind.STATION,
        label=f"station:{station.identity}"[:200],
        organization_id=station.organization_id,
    )


def _alert(row: SigningRequest, detail: str, at: datetime) -> None:
    alerts.raise_(
        ALERT,
        subject=row.use,
        station_id=row.station_id,
        organization_id=row.organization_id,
        severity=Alert.Severity.WARNING,
        detail=detail,
        at=at,
    )


def _alert_pace(station: ChargingStation, at: datetime) -> None:
    alerts.raise_(
        "certificate_requests",
        station_id=station.id,
        organization_id=station.organization_id,
        severity=Alert.Severity.WARNING,
        detail=f"The station asked for more than {PER_HOUR} certificates within an hour; further ones are refused.",
        at=at,
    )
