"""The files that an edge is given: certificates of both names in both kinds, the chargers' authority and its list."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests import pki

NAMES = {"ocpp": "ocpp.localhost", "portal": "localhost"}


@dataclass
class Papers:
    """``chargers``: the authority whose certificates chargers show; ``foreign``: one that nobody trusts."""

    directory: Path
    chargers: pki.Authority = field(default_factory=lambda: pki.authority("Chargers"))
    foreign: pki.Authority = field(default_factory=lambda: pki.authority("Chargers"))
    revoked: int = field(default_factory=x509.random_serial_number)
    issued: int = 0

    def client(
        self, common: str, organization: str, *, by: pki.Authority | None = None, serial: int = 0
    ) -> Path:
        """A charger's certificate and key in one file."""
        self.issued += 1
        authority, key, now = by or self.chargers, pki.new_key(), datetime.now(UTC)
        builder = x509.CertificateBuilder(
            authority.certificate.subject, pki.name(common, organization), key.public_key()
        )
        builder = builder.serial_number(serial or x509.random_serial_number())
        builder = builder.not_valid_before(now - pki.DAY).not_valid_after(now + pki.DAY)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        path = self.directory / f"charger-{self.issued}.pem"
        path.write_text(pki.pem(builder.sign(authority.key, hashes.SHA256())) + as_pem(key))
        return path

    def revoked_client(self, common: str, organization: str) -> Path:
        """One whose number stands on the list that the edge has read."""
        return self.client(common, organization, serial=self.revoked)

    def write_list(self) -> None:
        responder = pki.Responder(self.chargers, revoked={self.revoked})
        listed = x509.load_der_x509_crl(responder.list_of_revoked())
        (self.directory / "chargers-ca.crl").write_bytes(listed.public_bytes(Encoding.PEM))

    def write(self) -> None:
        """Everything under the names that both the nginx and the HAProxy configuration use."""
        (self.directory / "chargers-ca.pem").write_text(pki.pem(self.chargers.certificate))
        self.write_list()
        for short, name in NAMES.items():
            for nginx, haproxy, key in (
                ("ec", "ecdsa", pki.new_key()),
                ("rsa", "rsa", rsa.generate_private_key(65537, 2048)),
            ):
                signer = pki.authority("Servers")
                certificate = pki.pem(signer.issue(pki.name(name, "Chargeyard"), key.public_key()))
                (self.directory / f"{short}-{nginx}.pem").write_text(certificate)
                (self.directory / f"{short}-{nginx}.key").write_text(as_pem(key))
                (self.directory / f"{short}.pem.{haproxy}").write_text(certificate + as_pem(key))


def as_pem(key: pki.Key) -> str:
    return key.private_bytes(
        Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
