"""Authorities, certificates and requests for tests, and an OCSP responder on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from stations.services.certificates import reading

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def pem(thing: x509.Certificate | x509.CertificateSigningRequest) -> str:
    return thing.public_bytes(Encoding.PEM).decode()


def request(common: str, organization: str, key: Key | None = None) -> str:
    """A signing request as PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(common, organization))
    return pem(builder.sign(key or new_key(), hashes.SHA256()))


@dataclass
class Authority:
    """A root that signs."""

    certificate: x509.Certificate
    key: Key

    def issue(
        self,
        subject: x509.Name,
        public_key: Any,
        *,
        days: int = 365,
        since: int = 1,
        responder: str = "",
        usage: Any = None,
    ) -> x509.Certificate:
        builder = _builder(subject, self.certificate.subject, public_key, days, since)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if responder:
            place = x509.UniformResourceIdentifier(responder)
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def sign(self, csr: str, **details: Any) -> str:
        """The chain for a request, leaf first."""
        asked = x509.load_pem_x509_csr(csr.encode())
        return pem(self.issue(asked.subject, asked.public_key(), **details)) + pem(self.certificate)


def authority(common: str = "Test root", days: int = 3650) -> Authority:
    key = new_key()
    subject = name(common, "Test authority")
    builder = _builder(subject, subject, key.public_key(), days, 1)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def hash_data(
    certificate: x509.Certificate, issuer: x509.Certificate, algorithm: str = "SHA256"
) -> dict[str, str]:
    """The certificate as it is named on the wire."""
    named = reading.hash_data(certificate, issuer, algorithm)
    return {
        "hashAlgorithm": named.algorithm,
        "issuerNameHash": named.issuer_name_hash,
        "issuerKeyHash": named.issuer_key_hash,
        "serialNumber": named.serial_number,
    }


@dataclass
class Responder:
    """Answers for one authority. ``asked`` counts the connections."""

    authority: Authority
    port: int = 0
    asked: int = 0
    revoked: set[int] = field(default_factory=set)
    signer: Authority | None = None
    delegated: x509.Certificate | None = None
    stale: bool = False
    status: int = 200
    body: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def answer(self, question: bytes) -> bytes:
        if self.body is not None:
            return self.body
        asked = ocsp.load_der_ocsp_request(question)
        now = datetime.now(UTC)
        until = now - DAY if self.stale else now + DAY
        revoked = asked.serial_number in self.revoked
        signer = self.signer or self.authority
        certificate = self.delegated or signer.certificate
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=asked.issuer_name_hash,
            issuer_key_hash=asked.issuer_key_hash,
            serial_number=asked.serial_number,
            algorithm=asked.hash_algorithm,
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=now - 2 * DAY,
            next_update=until,
            revocation_time=now - DAY if revoked else None,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
        enclosed = (
            [certificate]
            if certificate == self.authority.certificate
            else [certificate, self.authority.certificate]
        )
        return builder.certificates(enclosed).sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def delegate(self) -> None:
        """Sign by a certificate that the authority made its responder."""
        key = new_key()
        usage = ExtendedKeyUsageOID.OCSP_SIGNING
        self.delegated = self.authority.issue(name("OCSP"), key.public_key(), usage=usage)
        self.signer = Authority(self.delegated, key)

    def list_of_revoked(self) -> bytes:
        """The authority's list, as DER."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.authority.certificate.subject)
        builder = builder.last_update(now - DAY).next_update(now + DAY)
        for serial in self.revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - DAY)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


@contextmanager
def responding(responder: Responder) -> Iterator[Responder]:
    """The responder on a port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            responder.asked += 1
            question = self.rfile.read(int(self.headers["Content-Length"]))
            self._send(responder.answer(question))

        def do_GET(self) -> None:
            responder.asked += 1
            self._send(responder.list_of_revoked())

        def _send(self, body: bytes) -> None:
            self.send_response(responder.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    responder.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield responder
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: Any, days: int, since: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - since * DAY)
        .not_valid_after(now + days * DAY)
    )
