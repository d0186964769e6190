"""Certificates on stations: what they ask to be signed, what they hold, and what they ask about others."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class CertificateUse(StrEnum):
    """What a certificate on a station is for (2.0.1 InstallCertificateUse and GetCertificateIdUse)."""

    CSMS_ROOT = "csms_root_certificate"
    MANUFACTURER_ROOT = "manufacturer_root_certificate"
    V2G_ROOT = "v2g_root_certificate"
    MO_ROOT = "mo_root_certificate"
    OEM_ROOT = "oem_root_certificate"
    V2G_CHAIN = "v2g_certificate_chain"


INSTALLABLE = tuple(use for use in CertificateUse if use is not CertificateUse.V2G_CHAIN)


class SigningUse(StrEnum):
    """Which certificate a station asks for; ``UNSAID`` is that of the station itself (P236)."""

    UNSAID = ""
    STATION = "charging_station_certificate"
    V2G = "v2g_certificate"
    V2G20 = "v2g20_certificate"


RENEWABLE = (
    "charging_station_certificate",
    "v2g_certificate",
    "v2g20_certificate",
    "combined_certificate",
)
"""What a station can be asked to renew; a combined one is the station's and the V2G one in one."""


class SigningStatus(StrEnum):
    """A request to sign, from its arrival to the station's word on the certificate."""

    RECEIVED = "received"
    WAITING = "waiting"
    SIGNED = "signed"
    SENT = "sent"
    ACCEPTED = "accepted"
    FAILED = "failed"
    REJECTED = "rejected"
    REPLACED = "replaced"


OPEN = frozenset({SigningStatus.RECEIVED, SigningStatus.WAITING, SigningStatus.SIGNED, SigningStatus.SENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class HashData:
    """A certificate as OCPP names it: hashes of its issuer and its serial number, as text (RFC 6960)."""

    algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledCertificateReported:
    """One entry of GetInstalledCertificateIds; ``children`` are the certificates below a chain's root."""

    use: CertificateUse
    hash_data: HashData
    children: tuple[HashData, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequested:
    """SignCertificate (2.0.1 A02, A03). ``request_id`` and ``root`` are of 2.1."""

    csr: str
    use: SigningUse = SigningUse.UNSAID
    request_id: int | None = None
    root: HashData | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAsked:
    """A question about one certificate; ``urls`` are where the station would ask."""

    hash_data: HashData
    urls: tuple[str, ...]
    by_list: bool = False


class Standing(StrEnum):
    """What is known of a certificate's validity."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAsked:
    """Get15118EVCertificate (2.0.1 M01, M02): an EXI request to be relayed as it is (P241)."""

    schema_version: str
    action: str
    exi_request: str
    maximum_chains: int | None = None
    prioritized_emaids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractShown:
    """What a car showed to charge by contract (2.0.1 C07): hashes for OCSP, or the whole chain as PEM."""

    hashes: tuple[StatusAsked, ...] = ()
    chain: str = ""


class ContractVerdict(StrEnum):
    """What is said of a contract certificate (2.0.1 AuthorizeCertificateStatus)."""

    ACCEPTED = "accepted"
    SIGNATURE_ERROR = "signature_error"
    EXPIRED = "expired"
    REVOKED = "revoked"
    NOT_AVAILABLE = "not_available"
    CHAIN_ERROR = "chain_error"


OF_STANDING: Mapping[Standing, ContractVerdict] = {
    Standing.GOOD: ContractVerdict.ACCEPTED,
    Standing.REVOKED: ContractVerdict.REVOKED,
    Standing.UNKNOWN: ContractVerdict.NOT_AVAILABLE,
    Standing.FAILED: ContractVerdict.NOT_AVAILABLE,
}
