"""Certificates and passwords of stations."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody
from stations.domain import intents
from stations.domain.certificates import INSTALLABLE, RENEWABLE, CertificateUse
from stations.domain.intents import Intent

EXAMPLE_PEM = (
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBeTCCASCgAwIBAgIUFHcmaxc6WuPhhGSw0vDH3IUqAzAwCgYIKoZIzj0EAwIw\n"
    "GjEYMBYGA1UEAwwPRXhhbXBsZSBSb290IENBMCAXDTI2MDEwMTAwMDAwMFoYDzIw\n"
    "NTYwMTAxMDAwMDAwWjAaMRgwFgYDVQQDDA9FeGFtcGxlIFJvb3QgQ0EwWTATBgcq\n"
    "hkjOPQIBBggqhkjOPQMBBwNCAAQzbyeSSWpoho3x0MCYEAgeXyrDKCRLpMrQDlo4\n"
    "6KNn4fcAi2nwL6TxZwAv12ArGaJdOHuOwc6999lc+2uxUpXCo0IwQDAPBgNVHRMB\n"
    "Af8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQUUOKC0irFbwg8KHOi\n"
    "EWBvLGHHbVIwCgYIKoZIzj0EAwIDRwAwRAIgCOukvcJ3bboOhdtOBrm3PoH8toOa\n"
    "yEQ2E/0sy/p3nPACIDMSWTkMfZlubMnkM/gBrI2M0xBShrWdRg8ERIaHBK89\n"
    "-----END CERTIFICATE-----\n"
)
"""A root that nobody signs with: its key was thrown away."""


class InstallCertificateBody(CommandBody):
    certificate_type = serializers.ChoiceField([use.value for use in INSTALLABLE])
    certificate = serializers.CharField(max_length=10_000, trim_whitespace=False, help_text="One root as PEM")


class DeleteCertificateBody(CommandBody):
    certificate = serializers.UUIDField(help_text="An id of /certificates/")


class GetInstalledCertificatesBody(CommandBody):
    certificate_types = serializers.ListField(
        child=serializers.ChoiceField([use.value for use in CertificateUse]),
        required=False,
        max_length=6,
        help_text="All kinds where none is named",
    )

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.GetInstalledCertificates(certificate_types=tuple(values.get("certificate_types", ())))


class RenewCertificateBody(CommandBody):
    certificate_type = serializers.ChoiceField(RENEWABLE, required=False, default=RENEWABLE[0])


class CertificateSignedBody(CommandBody):
    request = serializers.UUIDField(help_text="An id of /certificates/requests/ that was signed")


class RotatePasswordBody(CommandBody):
    """``reason`` is needed where the station is reached without TLS."""

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.RotatePassword(reason=values["reason"])


BODIES: Mapping[str, type[CommandBody]] = {
    "install_certificate": InstallCertificateBody,
    "delete_certificate": DeleteCertificateBody,
    "get_installed_certificates": GetInstalledCertificatesBody,
    "renew_certificate": RenewCertificateBody,
    "certificate_signed": CertificateSignedBody,
    "rotate_password": RotatePasswordBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "install_certificate": {"certificate_type": "csms_root_certificate", "certificate": EXAMPLE_PEM},
    "delete_certificate": {"certificate": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"},
    "get_installed_certificates": {"certificate_types": ["csms_root_certificate"]},
    "renew_certificate": {"certificate_type": "charging_station_certificate"},
    "certificate_signed": {"request": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"},
    "rotate_password": {"reason": "Found in a ticket"},
}
