"""Certificates on stations: the inventory, kept by what they answer (OCPP 2.0.1 M03 to M05, C-10)."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime

from cryptography import x509
from django.db.transaction import atomic

from core import clock
from core.access import Actor
from core.errors import Conflict, Invalid, NotFound
from stations import live
from stations.domain import intents
from stations.domain.certificates import CertificateUse, HashData, InstalledCertificateReported, SigningStatus
from stations.domain.intents import Intent
from stations.domain.station import StationSide
from stations.models import ChargingStation, InstalledCertificate, SigningRequest
from stations.services.certificates import reading

CERTIFICATE_MAX = 10_000
TLS_PROFILES = (2, 3)


def for_installing(station: ChargingStation, intent: intents.InstallCertificate, by: Actor) -> Intent:
    """The root as it is sent: one PEM block of an authority that is in force."""
    if len(intent.certificate) > CERTIFICATE_MAX:
        raise Invalid(f"A certificate has at most {CERTIFICATE_MAX} characters.", field="certificate")
    found = reading.chain(intent.certificate, field="certificate")
    if len(found) != 1:
        raise Invalid("Give one certificate at a time.", field="certificate")
    if not reading.is_authority(found[0]):
        raise Invalid("This is not the certificate of an authority.", field="certificate")
    if not reading.in_force(found[0], clock.now()):
        raise Invalid("The certificate is not valid now.", field="certificate")
    return intents.InstallCertificate(
        certificate_type=intent.certificate_type, certificate=reading.plain_chain(found)
    )


def for_deleting(station: ChargingStation, intent: intents.DeleteCertificate, by: Actor) -> Intent:
    """The certificate as the station named it; never one in use (P240, C-10)."""
    rows = InstalledCertificate.objects.visible_to(by).filter(station=station)
    row = rows.present().filter(pk=intent.certificate).first()
    if row is None:
        raise NotFound("There is no such certificate on this station.", field="certificate")
    _check_not_in_use(station, row)
    return intents.DeleteCertificate(certificate=row.pk, hash_data=row.hash_data)


def stored(station: StationSide, use: CertificateUse, pem: str, at: datetime) -> None:
    """The station took a certificate that we sent; it is known by our own hash until it reports its own.

    One said in raw words that cannot be read is not known before the station lists it.
    """
    try:
        certificate = reading.chain(pem)[0]
    except Invalid:
        return
    named = reading.hash_data(certificate, certificate)
    with atomic():
        row = _known(station, use, certificate) or InstalledCertificate(
            organization_id=station.organization_id, station_id=station.station_id, use=use.value
        )
        if not row.hash_algorithm:
            _name(row, named)
        row.pem, row.subject = pem, reading.subject_of(certificate)
        row.expires_at, row.seen_at = certificate.not_valid_after_utc, at
        row.save()
        _tell(station)


def reported(
    station: StationSide,
    found: Sequence[InstalledCertificateReported],
    asked: Collection[CertificateUse],
    at: datetime,
) -> None:
    """What the station has of the kinds that were asked for (all, where none was named); the others are gone."""
    with atomic():
        present = (
            InstalledCertificate.objects.select_for_update().filter(station_id=station.station_id).present()
        )
        rows = list(present.filter(use__in=[use.value for use in asked]) if asked else present)
        seen = {_seen(station, item, rows, at).pk for item in found}
        gone = [row.pk for row in rows if row.pk not in seen]
        InstalledCertificate.objects.filter(pk__in=gone).update(removed_at=at)
        _tell(station)


def deleted(station: StationSide, named: HashData, status: str, at: datetime) -> None:
    """The answer to DeleteCertificate: gone, or never there."""
    if status not in ("Accepted", "NotFound"):
        return
    with atomic():
        rows = (
            InstalledCertificate.objects.select_for_update().filter(station_id=station.station_id).present()
        )
        gone = [row.pk for row in rows if reading.same(row.hash_data, named)]
        InstalledCertificate.objects.filter(pk__in=gone).update(removed_at=at)
        _tell(station)


def roots_of(station: StationSide, uses: Collection[CertificateUse]) -> list[x509.Certificate]:
    """Roots of those kinds that the organization has put on its stations: what may be trusted for them."""
    rows = InstalledCertificate.objects.filter(
        organization_id=station.organization_id, use__in=[use.value for use in uses]
    )
    texts = rows.present().exclude(pem="").values_list("pem", flat=True).distinct()
    return [reading.chain(pem)[0] for pem in texts[:100]]


def _check_not_in_use(station: ChargingStation, row: InstalledCertificate) -> None:
    own = SigningRequest.objects.filter(station=station, status=SigningStatus.ACCEPTED.value)
    for request in own.exclude(chain=""):
        leaf, *above = reading.chain(request.chain)
        if above and _names(row.hash_data, leaf, above[0]):
            raise Conflict("This is the station's own certificate; it is in use and stays.")
    if row.use != CertificateUse.CSMS_ROOT or station.security_profile not in TLS_PROFILES:
        return
    others = InstalledCertificate.objects.filter(station=station, use=row.use).present().exclude(pk=row.pk)
    if not others.exists():
        raise Conflict(
            "This is the last root by which the station knows our server; without it, it could not connect "
            "any more. Install another one first."
        )


def _seen(
    station: StationSide, item: InstalledCertificateReported, rows: list[InstalledCertificate], at: datetime
) -> InstalledCertificate:
    row = next((one for one in rows if one.use == item.use and _matches(one, item.hash_data)), None)
    if row is None:
        row = InstalledCertificate(
            organization_id=station.organization_id, station_id=station.station_id, use=item.use.value
        )
        rows.append(row)
    _name(row, item.hash_data)
    row.children = [asdict(child) for child in item.children]
    row.seen_at, row.reported = at, True
    row.save()
    return row


def _known(
    station: StationSide, use: CertificateUse, certificate: x509.Certificate
) -> InstalledCertificate | None:
    """The row that the station reported for this certificate, in whatever algorithm."""
    rows = InstalledCertificate.objects.select_for_update().filter(
        station_id=station.station_id, use=use.value
    )
    return next((row for row in rows.present() if _names(row.hash_data, certificate, certificate)), None)


def _matches(row: InstalledCertificate, named: HashData) -> bool:
    if reading.same(row.hash_data, named):
        return True
    if not row.pem:
        return False
    certificate = reading.chain(row.pem)[0]
    return _names(named, certificate, certificate)


def _names(named: HashData, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if named.algorithm not in reading.ALGORITHMS:
        return False
    return reading.same(reading.hash_data(certificate, issuer, named.algorithm), named)


def _name(row: InstalledCertificate, named: HashData) -> None:
    row.hash_algorithm = named.algorithm[:6]
    row.issuer_name_hash = named.issuer_name_hash[:128]
    row.issuer_key_hash = named.issuer_key_hash[:128]
    row.serial_number = named.serial_number[:40]


def _tell(station: StationSide) -> None:
    live.announce_on_commit(
        "station",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )
