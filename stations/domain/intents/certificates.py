"""Certificates and passwords of stations (2.0.1 blocks A and M)."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from stations.domain.certificates import HashData
from stations.domain.intents.base import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSignedCertificate(Intent):
    """CertificateSigned (2.0.1 A02, A03): the chain for a request of the station; services fill in the rest."""

    name: ClassVar[str] = "certificate_signed"
    permission: ClassVar[str] = "security.manage"

    request: UUID
    chain: str = ""
    certificate_type: str = ""
    station_request_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallCertificate(Intent):
    """InstallCertificate (2.0.1 M05): a root, as PEM."""

    name: ClassVar[str] = "install_certificate"
    permission: ClassVar[str] = "security.manage"

    certificate_type: str
    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCertificate(Intent):
    """DeleteCertificate (2.0.1 M04): one that the station reported, named as it was reported (P240)."""

    name: ClassVar[str] = "delete_certificate"
    permission: ClassVar[str] = "security.manage"

    certificate: UUID
    hash_data: HashData | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetInstalledCertificates(Intent):
    """GetInstalledCertificateIds (2.0.1 M03); none named means all kinds."""

    name: ClassVar[str] = "get_installed_certificates"
    permission: ClassVar[str] = "commands.station"
    safe_to_repeat: ClassVar[bool] = True

    certificate_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewCertificate(Intent):
    """TriggerMessage for SignCertificate (2.0.1 A02), 1.6 ExtendedTriggerMessage."""

    name: ClassVar[str] = "renew_certificate"
    permission: ClassVar[str] = "security.manage"
    effect_window_s: ClassVar[int | None] = 300
    safe_to_repeat: ClassVar[bool] = True

    certificate_type: str = "charging_station_certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatePassword(Intent):
    """A new password for the station's own login (2.0.1 A01); services make it, nobody needs to see it.

    ``reason`` is needed where the station is reached without TLS (S-16).
    """

    name: ClassVar[str] = "rotate_password"
    permission: ClassVar[str] = "security.manage"
    may_wait: ClassVar[bool] = False

    reason: str = ""
    password: str = ""
