"""What only we can add to commands about certificates and passwords, and what must hold of them first."""

from dataclasses import replace

from core.access import Actor
from core.errors import Conflict, Invalid, NotFound
from stations.domain import intents
from stations.domain.certificates import INSTALLABLE, RENEWABLE, CertificateUse, SigningStatus
from stations.domain.intents import Intent
from stations.models import ChargingStation, SigningRequest
from stations.services import credentials
from stations.services.certificates import installed

ENCRYPTED = (2, 3)
BY_CERTIFICATE = 3


def signed_certificate(station: ChargingStation, intent: intents.SendSignedCertificate, by: Actor) -> Intent:
    """The chain of a request that was signed (C-06)."""
    rows = SigningRequest.objects.visible_to(by).filter(station=station)
    request = rows.filter(pk=intent.request).first()
    if request is None:
        raise NotFound("The station has made no such request.", field="request")
    if request.status not in (SigningStatus.SIGNED, SigningStatus.SENT):
        raise Conflict("There is no certificate to send for this request.", field="request")
    return replace(
        intent, chain=request.chain, certificate_type=request.use, station_request_id=request.request_id
    )


def install(station: ChargingStation, intent: intents.InstallCertificate, by: Actor) -> Intent:
    if intent.certificate_type not in INSTALLABLE:
        raise Invalid(
            f"“{intent.certificate_type}” is none of {', '.join(INSTALLABLE)}.", field="certificate_type"
        )
    return installed.for_installing(station, intent, by)


def listing(station: ChargingStation, intent: intents.GetInstalledCertificates, by: Actor) -> Intent:
    unknown = [use for use in intent.certificate_types if use not in list(CertificateUse)]
    if unknown:
        raise Invalid(f"“{unknown[0]}” is none of {', '.join(CertificateUse)}.", field="certificate_types")
    return intent


def renewal(station: ChargingStation, intent: intents.RenewCertificate, by: Actor) -> Intent:
    if intent.certificate_type not in RENEWABLE:
        raise Invalid(
            f"“{intent.certificate_type}” is none of {', '.join(RENEWABLE)}.", field="certificate_type"
        )
    return intent


def rotation(station: ChargingStation, intent: intents.RotatePassword, by: Actor) -> Intent:
    """A made password; over an open line only with a reason (S-16)."""
    if station.security_profile == BY_CERTIFICATE:
        raise Conflict("This station shows a certificate instead of a password. Renew that one.")
    if station.security_profile not in ENCRYPTED and not intent.reason.strip():
        raise Invalid(
            "This station is reached without TLS, so the new password can be overheard. Give a reason to do "
            "it nevertheless.",
            field="reason",
        )
    return replace(intent, password=credentials.make_password())
