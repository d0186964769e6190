"""Reading certificates and requests: what must hold of them, in sentences for people (security.md C-03)."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from core.errors import Invalid
from stations.domain.certificates import HashData

CSR_MAX_BYTES = 10_000
CHAIN_MAX = 10_000
RSA_LEAST_BITS = 2048
EC_LEAST_BITS = 256
CURVES = frozenset(
    {"secp256r1", "secp384r1", "secp521r1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"}
)
ONE_REQUEST = re.compile(
    r"\s*-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END (?:NEW )?CERTIFICATE REQUEST-----\s*"
)
ONE_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----")
ALGORITHMS = {"SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}


def request(pem: str) -> x509.CertificateSigningRequest:
    """One signing request with a valid signature of its own. Raises :class:`Invalid`."""
    if len(pem.encode()) > CSR_MAX_BYTES:
        raise Invalid(f"The request is larger than {CSR_MAX_BYTES} bytes.", field="csr")
    if not ONE_REQUEST.fullmatch(pem):
        raise Invalid("The request is not one PEM block “CERTIFICATE REQUEST”.", field="csr")
    try:
        found = x509.load_pem_x509_csr(pem.encode())
        signed = found.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid("The request cannot be read.", field="csr") from error
    if not signed:
        raise Invalid("The request is not signed with the key that it holds.", field="csr")
    return found


def check_names(subject: x509.Name, *, identity: str, organization: str) -> None:
    """CN is the station's identity and O the operator's name, each once and exactly (A02.FR.11 to FR.13)."""
    _check_name(subject, NameOID.COMMON_NAME, identity, "name (CN)")
    _check_name(subject, NameOID.ORGANIZATION_NAME, organization, "organisation (O)")


def check_key(key: object) -> str:
    """The kind of key in words. Raises :class:`Invalid` for a weak one (A00.FR.501 to FR.511)."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < RSA_LEAST_BITS:
            raise Invalid(f"The RSA key has {key.key_size} bits; {RSA_LEAST_BITS} are needed.", field="csr")
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.key_size < EC_LEAST_BITS or key.curve.name not in CURVES:
            raise Invalid(f"The curve {key.curve.name} is not strong enough; use P-256.", field="csr")
        return f"EC {key.curve.name}"
    raise Invalid("The key is neither RSA nor on an elliptic curve that we know.", field="csr")


def chain(pem: str, *, field: str = "chain") -> list[x509.Certificate]:
    """Certificates of a PEM text, leaf first, each signed by the next (P238). Raises :class:`Invalid`."""
    found = certificates(pem, field=field)
    if not in_order(found):
        raise Invalid(
            "The certificates are not in order: the station's own first, each signed by the next.",
            field=field,
        )
    return found


def certificates(pem: str, *, field: str = "chain") -> list[x509.Certificate]:
    """All certificates of a PEM text, which holds nothing else. Raises :class:`Invalid`."""
    blocks = ONE_CERTIFICATE.findall(pem)
    if not blocks or ONE_CERTIFICATE.sub("", pem).strip():
        raise Invalid("Give PEM blocks “CERTIFICATE” and nothing else.", field=field)
    try:
        return [x509.load_pem_x509_certificate(block.encode()) for block in blocks]
    except ValueError as error:
        raise Invalid("A certificate cannot be read.", field=field) from error


def in_order(found: Sequence[x509.Certificate]) -> bool:
    """Whether each is signed by the next."""
    return all(issued(lower, upper) for lower, upper in pairwise(found))


def plain_chain(certificates: Sequence[x509.Certificate]) -> str:
    """The chain as it goes on the wire."""
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def issued(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    """Whether the one is signed by the other."""
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def in_force(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def subject_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """The subject as one line for people."""
    return certificate.subject.rfc4514_string()[:500]


def key_bytes(key: object) -> bytes:
    """A public key in the one form in which keys are compared."""
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return encoded


def key_hash(certificate: x509.Certificate, algorithm: str) -> str:
    """Hash over the bits of the public key, as OCSP wants it (RFC 6960 section 4.1.1)."""
    return hashlib.new(ALGORITHMS[algorithm], _key_bits(certificate)).hexdigest()


def name_hash(name: x509.Name, algorithm: str) -> str:
    return hashlib.new(ALGORITHMS[algorithm], name.public_bytes()).hexdigest()


def hash_data(certificate: x509.Certificate, issuer: x509.Certificate, algorithm: str = "SHA256") -> HashData:
    """The certificate as OCPP names it."""
    return HashData(
        algorithm=algorithm,
        issuer_name_hash=name_hash(certificate.issuer, algorithm),
        issuer_key_hash=key_hash(issuer, algorithm),
        serial_number=f"{certificate.serial_number:x}",
    )


def same(left: HashData, right: HashData) -> bool:
    """Whether both name one certificate; case and leading zeros do not count."""
    return left.algorithm == right.algorithm and _folded(left) == _folded(right)


def _folded(one: HashData) -> tuple[str, str, str]:
    serial = one.serial_number.lower().removeprefix("0x").lstrip("0")
    return one.issuer_name_hash.lower(), one.issuer_key_hash.lower(), serial


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The bits of the SubjectPublicKeyInfo's BIT STRING, without its tag, length and count of unused bits."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _check_name(subject: x509.Name, oid: x509.ObjectIdentifier, wanted: str, what: str) -> None:
    found = [attribute.value for attribute in subject.get_attributes_for_oid(oid)]
    if found != [wanted]:
        shown = ", ".join(f"“{value!s}”" for value in found)[:200] or "none"
        raise Invalid(f"The {what} is {shown}; here it must be “{wanted}”.", field="csr")
