"""Firmware and logs."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody

SCHEMES = ("http", "https", "ftp", "ftps", "sftp")
CHECKSUM = r"^[0-9A-Fa-f]{32}$"
LOGS = ["diagnostics", "security", "data_collector"]


class Location(serializers.CharField):
    """Where the station fetches or places a file; the station calls it, not we."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=2000, **options)

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in SCHEMES or not parts.netloc or any(sign <= " " for sign in text):
            raise serializers.ValidationError(f"Give an address that begins with {', '.join(SCHEMES)}.")
        return text


class Retries(CommandBody):
    """How often a station tries again by itself, and after how long."""

    retries = serializers.IntegerField(min_value=0, max_value=100, required=False)
    retry_interval_s = serializers.IntegerField(min_value=0, max_value=86_400, required=False)


class OfImage(Retries):
    image = serializers.UUIDField(
        required=False, help_text="One of the firmware images; the rest is known then"
    )
    location = Location(required=False, help_text="Of a file that lies elsewhere")

    def validate(self, attrs: Any) -> Any:
        if ("image" in attrs) == ("location" in attrs):
            raise serializers.ValidationError({"image": "Name an image, or the address of the file."})
        said = sorted({"signature", "version", "checksum"} & set(attrs))
        if "image" in attrs and said:
            raise serializers.ValidationError({said[0]: "The image says this itself. Leave it out."})
        return attrs


class UpdateFirmwareBody(OfImage):
    retrieve_at = serializers.DateTimeField(required=False)
    install_at = serializers.DateTimeField(required=False)
    signature = serializers.CharField(max_length=800, required=False)
    signing_certificate = serializers.CharField(max_length=5500, required=False, trim_whitespace=False)
    version = serializers.CharField(
        max_length=50, required=False, help_text="What the station should report afterwards"
    )

    def validate(self, attrs: Any) -> Any:
        super().validate(attrs)
        if ("signature" in attrs) != ("signing_certificate" in attrs):
            raise serializers.ValidationError(
                {"signature": "Give the signature and the signing certificate together."}
            )
        return attrs


class PublishFirmwareBody(OfImage):
    checksum = serializers.RegexField(
        CHECKSUM, required=False, help_text="MD5 of a file that lies elsewhere, in hexadecimal digits"
    )

    def validate(self, attrs: Any) -> Any:
        super().validate(attrs)
        if ("location" in attrs) != ("checksum" in attrs):
            raise serializers.ValidationError({"checksum": "Give the MD5 checksum of the file."})
        return attrs


class UnpublishFirmwareBody(CommandBody):
    checksum = serializers.RegexField(CHECKSUM)


class GetLogBody(Retries):
    kind = serializers.ChoiceField(LOGS)
    location = Location(
        required=False, help_text="Where the station uploads to; without it, to us, once and within a day"
    )
    transfer = serializers.ChoiceField(
        ["http", "ftp"],
        required=False,
        help_text="How the station uploads to us; without it, as it is able to",
    )
    oldest_at = serializers.DateTimeField(required=False)
    latest_at = serializers.DateTimeField(required=False)

    def validate(self, attrs: Any) -> Any:
        if "location" in attrs and "transfer" in attrs:
            raise serializers.ValidationError({"transfer": "Give an address or a way to us, not both."})
        return attrs


BODIES: Mapping[str, type[CommandBody]] = {
    "update_firmware": UpdateFirmwareBody,
    "publish_firmware": PublishFirmwareBody,
    "unpublish_firmware": UnpublishFirmwareBody,
    "get_log": GetLogBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "update_firmware": {
        "location": "https://firmware.example.org/ac22-2.0.bin",
        "version": "2.0",
        "retrieve_at": "2026-11-26T01:00:00Z",
    },
    "publish_firmware": {
        "location": "https://firmware.example.org/ac22-2.0.bin",
        "checksum": "9e107d9d372bb6826bd81d3542a419d6",
    },
    "unpublish_firmware": {"checksum": "9e107d9d372bb6826bd81d3542a419d6"},
    "get_log": {"kind": "security"},
}
