"""Signatures over firmware and the certificates that they were made with (OCPP 2.0.1 L01, 1.6 security A.3)."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from core.errors import Invalid
from stations.services.certificates import reading

CERTIFICATE_MOST = 5500
SIGNATURE_MOST = 800
CERTIFICATE, SIGNATURE = "signing_certificate", "signature"
PADDINGS: tuple[Callable[[], padding.AsymmetricPadding], ...] = (
    lambda: padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO),
    padding.PKCS1v15,
)
"""What OCPP names, and what most tools make."""


def certificate(pem: str, now: datetime) -> x509.Certificate:
    """The one certificate of the text, in force and fit to sign. Raises :class:`Invalid`."""
    if len(pem) > CERTIFICATE_MOST:
        raise Invalid(f"The certificate has more than {CERTIFICATE_MOST} characters.", field=CERTIFICATE)
    found = reading.certificates(pem, field=CERTIFICATE)[0]
    try:
        reading.check_key(found.public_key())
    except Invalid as error:
        raise Invalid(error.message, field=CERTIFICATE) from error
    except ValueError as error:
        raise Invalid("The key of the certificate cannot be read.", field=CERTIFICATE) from error
    if now < found.not_valid_before_utc:
        raise Invalid("The signing certificate is not valid yet.", field=CERTIFICATE)
    if now > found.not_valid_after_utc:
        raise Invalid("The signing certificate has expired.", field=CERTIFICATE)
    if not _may_sign(found):
        raise Invalid("The certificate says itself that it is not for signing.", field=CERTIFICATE)
    return found


def verify(signature: str, signed_by: x509.Certificate, sha256: str) -> None:
    """Raise :class:`Invalid` unless the signature (base64) over the file of that hash is of the certificate's key."""
    if len(signature) > SIGNATURE_MOST:
        raise Invalid(f"The signature has more than {SIGNATURE_MOST} characters.", field=SIGNATURE)
    try:
        raw = base64.b64decode("".join(signature.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("The signature is not base64.", field=SIGNATURE) from error
    if not _is_of(signed_by.public_key(), raw, bytes.fromhex(sha256)):
        raise Invalid("The signature is not one of this certificate over this file.", field=SIGNATURE)


def _is_of(key: object, raw: bytes, digest: bytes) -> bool:
    hashed = Prehashed(hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _holds(lambda: key.verify(raw, digest, ec.ECDSA(hashed)))
    if isinstance(key, rsa.RSAPublicKey):
        return any(_holds(lambda: key.verify(raw, digest, kind(), hashed)) for kind in PADDINGS)  # noqa: B023
    return False


def _holds(verifying: Callable[[], None]) -> bool:
    try:
        verifying()
    except (InvalidSignature, ValueError):
        return False
    return True


def _may_sign(found: x509.Certificate) -> bool:
    try:
        return found.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
