"""Profile 3: what a client certificate that the edge has verified must say (security.md section 2)."""

import base64
import binascii
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stations.ocpp.upgrade import Edge


class Rejected(Exception):
    """The certificate does not prove that the caller is this station: a word and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def check(edge: Edge, *, identity: str, organization_name: str, now: datetime) -> None:
    """Raise :class:`Rejected` unless the certificate belongs to this station, now, for this purpose."""
    certificate = _parse(edge)
    described = f"“{certificate.subject.rfc4514_string()}”, serial {certificate.serial_number:x}"
    if edge.verified != "SUCCESS":
        raise Rejected(
            "certificate_untrusted", f"The proxy refused the certificate {described}: {edge.verified}."
        )
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Rejected(
            "certificate_expired",
            f"The certificate {described} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} "
            f"to {certificate.not_valid_after_utc:%Y-%m-%d}.",
        )
    if not _for_clients(certificate):
        raise Rejected("certificate_purpose", f"The certificate {described} is not made for clients.")
    _check_name(certificate, NameOID.ORGANIZATION_NAME, organization_name, "certificate_organization")
    _check_name(certificate, NameOID.COMMON_NAME, identity, "certificate_name")


def _parse(edge: Edge) -> x509.Certificate:
    if not edge.certificate_pem and not edge.certificate_der:
        raise Rejected("no_credential", "It showed no client certificate, which its security profile needs.")
    try:
        if edge.certificate_pem:
            return x509.load_pem_x509_certificate(edge.certificate_pem)
        return x509.load_der_x509_certificate(base64.b64decode(edge.certificate_der, validate=True))
    except (ValueError, binascii.Error) as error:
        raise Rejected("certificate_unreadable", "Its client certificate cannot be read.") from error


def _for_clients(certificate: x509.Certificate) -> bool:
    """Whether the extended key usage, where there is one, allows client authentication (RFC 5280, 4.2.1.12)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def _check_name(certificate: x509.Certificate, oid: x509.ObjectIdentifier, wanted: str, reason: str) -> None:
    found = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid)]
    if found != [wanted]:
        kind = "name (CN)" if oid == NameOID.COMMON_NAME else "organisation (O)"
        shown = ", ".join(f"“{value!s}”" for value in found) or "none"
        raise Rejected(reason, f"The {kind} in its certificate is {shown}; here it must be “{wanted}”.")
