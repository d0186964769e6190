"""Whether a certificate is still good: OCSP and lists of revoked ones, asked for stations (OCPP 2.0.1 M06, C07).

No address is called that the operator did not allow, or that a certificate below a root of ours does not
name itself (security.md W-18). What is scarce: threads of the door, so few ask at a time and all in a hurry.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from core import clock, egress
from stations.domain.certificates import CertificateUse, HashData, Standing, StatusAsked
from stations.domain.station import StationSide
from stations.models import SigningRequest
from stations.services.certificates import installed, reading

DEADLINE_S = 8.0
AT_A_TIME = 4
SKEW = timedelta(minutes=5)
SCHEMES = frozenset({"http", "https"})
ROOTS = (CertificateUse.V2G_ROOT, CertificateUse.MO_ROOT, CertificateUse.OEM_ROOT)
HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
STANDING = {
    ocsp.OCSPCertStatus.GOOD: Standing.GOOD,
    ocsp.OCSPCertStatus.REVOKED: Standing.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: Standing.UNKNOWN,
}
_places = threading.BoundedSemaphore(AT_A_TIME)


class _Unusable(Exception):
    """The answer is no proof of anything; a sentence says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found out. ``der`` is the responder's signed answer, to be relayed as it is."""

    standing: Standing
    der: bytes = b""
    next_update: datetime | None = None
    detail: str = ""


class Inquiry:
    """The questions of one message: one deadline for all of them; ``known`` are certificates at hand."""

    def __init__(self, station: StationSide, known: Sequence[x509.Certificate] = ()) -> None:
        self._until = time.monotonic() + DEADLINE_S
        self._station = station
        self._known = [*known, *installed.roots_of(station, ROOTS)]
        self._named: frozenset[str] | None = None

    def ask(self, asked: StatusAsked, *, named: Iterable[str] = ()) -> Found:
        """Where the certificate stands, proven by its issuer's key. ``named`` may be asked beside what is allowed."""
        return self._ask(asked, frozenset(named), proven=True)

    def fetch(self, asked: StatusAsked) -> Found:
        """The responder's answer for the station, which checks its signature itself (M06.FR.06)."""
        return self._ask(asked, frozenset(), proven=False)

    def _ask(self, asked: StatusAsked, named: frozenset[str], *, proven: bool) -> Found:
        allowed = [url for url in asked.urls if self._may_call(url, named)]
        if not allowed:
            return Found(Standing.FAILED, detail="Its address may not be called.")
        detail = ""
        for url in allowed:
            try:
                with _place():
                    return self._one(asked, url, proven)
            except (egress.EgressRefused, egress.EgressFailed, _Unusable) as error:
                detail = str(error)
        return Found(Standing.FAILED, detail=detail)

    def _one(self, asked: StatusAsked, url: str, proven: bool) -> Found:
        left = self._until - time.monotonic()
        if left <= 0.1:
            raise _Unusable("There was no time left to ask.")
        if asked.hash_data.algorithm not in HASHES:
            raise _Unusable("The hash algorithm is not known.")
        if asked.by_list:
            return _by_list(asked.hash_data, url, left, self._known)
        der = _call(url, _question(asked.hash_data), left)
        answer = _successful(der)
        single = _about(answer, asked.hash_data)
        if proven:
            _check_signature(answer, asked.hash_data, self._known)
        return Found(STANDING[single.certificate_status], der, single.next_update_utc)

    def _may_call(self, url: str, named: frozenset[str]) -> bool:
        if egress.is_listed(url) or url in named:
            return True
        if self._named is None:
            self._named = frozenset(_named_by_ours(self._station, self._known))
        return url in self._named


def responders_of(certificate: x509.Certificate) -> list[str]:
    """The OCSP addresses that the certificate itself names."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [
        str(one.access_location.value)
        for one in access
        if one.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(one.access_location, x509.UniformResourceIdentifier)
    ]


@contextmanager
def _place() -> Iterator[None]:
    """Few at a time, so that a slow responder does not hold the door's threads."""
    if not _places.acquire(timeout=1):
        raise _Unusable("Too many questions are under way.")
    try:
        yield
    finally:
        _places.release()


def _named_by_ours(station: StationSide, roots: Sequence[x509.Certificate]) -> Iterator[str]:
    """Addresses in certificates of the station that lead to a root of ours."""
    chains = SigningRequest.objects.filter(station_id=station.station_id).exclude(chain="")
    for pem in chains.values_list("chain", flat=True)[:20]:
        chain = reading.chain(pem)
        if any(root == chain[-1] or reading.issued(chain[-1], root) for root in roots):
            for certificate in chain:
                yield from responders_of(certificate)


def _question(named: HashData) -> bytes:
    try:
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            bytes.fromhex(named.issuer_name_hash),
            bytes.fromhex(named.issuer_key_hash),
            int(named.serial_number, 16),
            HASHES[named.algorithm],
        )
        return builder.build().public_bytes(Encoding.DER)
    except (ValueError, KeyError) as error:
        raise _Unusable("The hashes of the certificate cannot be read.") from error


def _call(url: str, body: bytes | None, left_s: float) -> bytes:
    headers = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
    answer = egress.fetch(url, body=body, headers=headers if body else {}, schemes=SCHEMES, total_s=left_s)
    if answer.status != 200:
        raise _Unusable(f"The responder answers with status {answer.status}.")
    return answer.body


def _successful(der: bytes) -> ocsp.OCSPResponse:
    try:
        answer = ocsp.load_der_ocsp_response(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _Unusable("The responder's answer cannot be read.") from error
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise _Unusable(f"The responder refuses: {answer.response_status.name}.")
    return answer


def _about(answer: ocsp.OCSPResponse, named: HashData) -> ocsp.OCSPSingleResponse:
    """The part of the answer that is about our certificate, and fresh."""
    now = clock.now()
    for single in answer.responses:
        if single.serial_number != int(named.serial_number, 16):
            continue
        if single.issuer_key_hash.hex() != named.issuer_key_hash.lower():
            continue
        if single.this_update_utc > now + SKEW:
            raise _Unusable("The responder's answer is from the future.")
        if single.next_update_utc is not None and single.next_update_utc < now - SKEW:
            raise _Unusable("The responder's answer is out of date.")
        return single
    raise _Unusable("The responder's answer is about another certificate.")


def _check_signature(answer: ocsp.OCSPResponse, named: HashData, known: Sequence[x509.Certificate]) -> None:
    """Signed by the issuer that the hash names, or by whom that issuer made its responder (RFC 6960 4.2.2.2)."""
    enclosed = list(answer.certificates)
    issuers = [
        one
        for one in [*enclosed, *known]
        if reading.key_hash(one, named.algorithm) == named.issuer_key_hash.lower()
    ]
    signers = [
        *issuers,
        *(one for one in enclosed if any(_made_responder(one, issuer) for issuer in issuers)),
    ]
    for signer in signers:
        if _signed(answer, signer):
            return
    raise _Unusable("The responder's answer is not signed by the certificate's issuer.")


def _made_responder(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return (
        ExtendedKeyUsageOID.OCSP_SIGNING in usage
        and reading.in_force(certificate, clock.now())
        and reading.issued(certificate, issuer)
    )


def _signed(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, algorithm = signer.public_key(), answer.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
            return True
    except InvalidSignature:
        return False
    return False


def _by_list(named: HashData, url: str, left_s: float, known: Sequence[x509.Certificate]) -> Found:
    """A list of revoked certificates, signed by the issuer that the hash names."""
    body = _call(url, None, left_s)
    try:
        crl = x509.load_der_x509_crl(body) if not body.startswith(b"-----") else x509.load_pem_x509_crl(body)
        serial = int(named.serial_number, 16)
    except ValueError as error:
        raise _Unusable("The list of revoked certificates cannot be read.") from error
    issuers = [
        one for one in known if reading.key_hash(one, named.algorithm) == named.issuer_key_hash.lower()
    ]
    if not any(crl.is_signature_valid(one.public_key()) for one in issuers):  # type: ignore[arg-type]
        raise _Unusable("The list of revoked certificates is not signed by the certificate's issuer.")
    if crl.next_update_utc is not None and crl.next_update_utc < clock.now() - SKEW:
        raise _Unusable("The list of revoked certificates is out of date.")
    revoked = crl.get_revoked_certificate_by_serial_number(serial) is not None
    return Found(Standing.REVOKED if revoked else Standing.GOOD, next_update=crl.next_update_utc)
