"""What the API shows of tariffs: the newest version of each, its versions, its texts and what the linter finds."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import translation
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core import clock
from portal.api.resource import StrictSerializer
from portal.api.tariff_bodies import OcpiTariff, shown
from tariffs import parsing, text
from tariffs.linter import Level
from tariffs.local_time import find_zone
from tariffs.models import Tariff, TariffVersion, VersionState

STATES = [word.value for word in VersionState]


class TariffView(serializers.Serializer):
    """The newest version: the draft where one is open."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    state = serializers.SerializerMethodField()
    version = serializers.SerializerMethodField(help_text="Counts up with each publication")
    version_in_force = serializers.SerializerMethodField()
    valid_from = serializers.SerializerMethodField()
    valid_to = serializers.SerializerMethodField()
    tariff = serializers.SerializerMethodField(help_text="The OCPI object, with its own id")
    created_at = serializers.DateTimeField()

    @extend_schema_field(serializers.ChoiceField(STATES))
    def get_state(self, tariff: Tariff) -> str:
        return VersionState.RETIRED.value if tariff.retired_at else str(newest(tariff).state)

    @extend_schema_field(serializers.IntegerField())
    def get_version(self, tariff: Tariff) -> int:
        return newest(tariff).number

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_version_in_force(self, tariff: Tariff) -> int | None:
        now = clock.now()
        return next((one.number for one in tariff.versions.all() if one.holds_at(now)), None)

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_valid_from(self, tariff: Tariff) -> datetime | None:
        return newest(tariff).valid_from

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_valid_to(self, tariff: Tariff) -> datetime | None:
        return newest(tariff).valid_to

    @extend_schema_field(OcpiTariff())
    def get_tariff(self, tariff: Tariff) -> Any:
        return shown(newest(tariff).document)


class VersionView(serializers.Serializer):
    version = serializers.IntegerField(source="number")
    state = serializers.ChoiceField(STATES)
    valid_from = serializers.DateTimeField(allow_null=True)
    valid_to = serializers.DateTimeField(allow_null=True)
    published_at = serializers.DateTimeField(allow_null=True)
    published_by = serializers.CharField()
    tariff = serializers.SerializerMethodField()

    @extend_schema_field(OcpiTariff())
    def get_tariff(self, version: TariffVersion) -> Any:
        return shown(version.document)


class PublishBody(StrictSerializer):
    valid_from = serializers.DateTimeField(
        required=False, help_text="Ahead; without it the tariff's own `start_date_time`, or now"
    )


class FindingView(serializers.Serializer):
    code = serializers.CharField()
    level = serializers.ChoiceField([word.value for word in Level])
    pointer = serializers.CharField(allow_blank=True)
    message = serializers.CharField()


class SentencesView(serializers.Serializer):
    language = serializers.CharField()
    text = serializers.CharField(allow_blank=True, help_text="As drivers read it before a start")


class PreviewView(serializers.Serializer):
    version = serializers.IntegerField()
    findings = FindingView(many=True)
    texts = SentencesView(many=True)


def newest(tariff: Tariff) -> TariffVersion:
    """The draft where one is open, else the version with the greatest number."""
    return next(iter(tariff.versions.all()))


def sentences_of(version: TariffVersion, zone: str) -> list[dict[str, str]]:
    """The price text in each language; empty where the draft cannot be read."""
    told = []
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            try:
                words = " ".join(text.describe(version.priced, zone=find_zone(zone), at=clock.now()))
            except parsing.pointers.InvalidDocument:
                words = ""
        told.append({"language": code, "text": words})
    return told
