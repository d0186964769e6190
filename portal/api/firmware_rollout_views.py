"""What programs write and read of firmware rollouts."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.api.bulk_commands import TargetFilter
from portal.api.fields import OwnRow
from portal.api.resource import StrictSerializer
from stations.domain.rollouts import DAYS, PausedBy, Progress, RolloutStatus
from stations.models import ChargingStation, FirmwareImage, FirmwareRollout
from stations.services import rollouts
from stations.services.rollouts import planning

IMAGE = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
EXAMPLE = {
    "name": "Acme 1.5.0 in the north",
    "image": IMAGE,
    "filter": {"vendor": "Acme", "model": "AC22"},
    "waves": [{"count": 1}, {"percent": 20}, {"percent": 79}],
    "soak_seconds": 3600,
    "window": {"start_time": "22:00", "end_time": "05:00"},
}


class WaveBody(StrictSerializer):
    count = serializers.IntegerField(min_value=1, max_value=planning.MOST_STATIONS, required=False)
    percent = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="Of all stations"
    )

    def validate(self, attrs: Any) -> Any:
        if len(attrs) != 1:
            raise serializers.ValidationError("A wave has a count of stations, or a percentage of all.")
        return attrs


class WindowBody(StrictSerializer):
    start_time = serializers.TimeField(format="%H:%M", help_text="By the clock of the station's site")
    end_time = serializers.TimeField(
        format="%H:%M", help_text="Where it is before the start, the window goes over midnight"
    )
    day_of_week = serializers.ListField(
        child=serializers.ChoiceField(DAYS), max_length=7, required=False, help_text="Of the start; none: all"
    )


class RolloutBody(StrictSerializer):
    image = OwnRow(FirmwareImage.objects)
    name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    stations = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        max_length=planning.MOST_STATIONS,
        help_text="With `filter` too: what is in both",
    )
    filter = TargetFilter(required=False)
    waves = serializers.ListField(
        child=WaveBody(),
        required=False,
        max_length=planning.MOST_WAVES,
        help_text="The last takes the rest; none: one station, then the rest",
    )
    soak_seconds = serializers.IntegerField(
        min_value=0, max_value=30 * 86_400, required=False, help_text="Wait after a wave"
    )
    concurrency = serializers.IntegerField(
        min_value=1, max_value=1000, required=False, help_text="Stations of one site at a time"
    )
    only_when_idle = serializers.BooleanField(required=False)
    window = WindowBody(required=False, allow_null=True)
    failure_threshold = serializers.IntegerField(
        min_value=1, max_value=100, required=False, allow_null=True, help_text="Percent of a wave"
    )
    failure_count = serializers.IntegerField(
        min_value=1, max_value=10_000, required=False, allow_null=True, help_text="Stations of a wave"
    )
    retries = serializers.IntegerField(min_value=0, max_value=10, required=False)
    retry_seconds = serializers.IntegerField(min_value=1, max_value=86_400, required=False)
    silence_seconds = serializers.IntegerField(
        min_value=10, max_value=7 * 86_400, required=False, help_text="Without any word a station is lost"
    )
    catch_up_seconds = serializers.IntegerField(
        min_value=60,
        max_value=90 * 86_400,
        required=False,
        help_text="How long offline stations are waited for",
    )

    def validate_stations(self, value: list[UUID]) -> list[UUID]:
        known = set(
            ChargingStation.objects.live()
            .visible_to(self.context["actor"])
            .filter(pk__in=value)
            .values_list("pk", flat=True)
        )
        unknown = [one for one in value if one not in known]
        if unknown:
            raise serializers.ValidationError(f"There is no station “{unknown[0]}” here.")
        return list(dict.fromkeys(value))


class WaveView(serializers.Serializer):
    number = serializers.IntegerField()
    size = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Since then it soaks")
    passed_at = serializers.DateTimeField(allow_null=True)


class RolloutView(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    image = serializers.UUIDField(source="image_id")
    rollback_of = serializers.UUIDField(source="rollback_of_id", allow_null=True)
    stations = serializers.ListField(child=serializers.UUIDField())
    filter = TargetFilter()
    waves = WaveBody(many=True, source="waves_wanted")
    soak_seconds = serializers.IntegerField()
    concurrency = serializers.IntegerField()
    only_when_idle = serializers.BooleanField()
    window = serializers.SerializerMethodField()
    failure_threshold = serializers.IntegerField(allow_null=True)
    failure_count = serializers.IntegerField(allow_null=True)
    retries = serializers.IntegerField()
    retry_seconds = serializers.IntegerField()
    silence_seconds = serializers.IntegerField()
    catch_up_seconds = serializers.IntegerField()
    status = serializers.ChoiceField([word.value for word in RolloutStatus])
    paused_by = serializers.SerializerMethodField()
    detail = serializers.CharField(help_text="Why it is paused")
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    requested_by = serializers.CharField(help_text="Who started it")
    approved_by = serializers.CharField()
    approved_at = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(WindowBody(allow_null=True))
    def get_window(self, rollout: FirmwareRollout) -> Any:
        window = rollout.window
        if window is None:
            return None
        shown = {"start_time": window.start, "end_time": window.end, "day_of_week": list(window.days)}
        return WindowBody(shown).data

    @extend_schema_field(serializers.ChoiceField([word.value for word in PausedBy], allow_null=True))
    def get_paused_by(self, rollout: FirmwareRollout) -> str | None:
        return rollout.paused_by or None


class RolloutDetailView(RolloutView):
    progress = serializers.SerializerMethodField(help_text="Stations by their status")
    wave_progress = WaveView(many=True, source="waves.all")

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_progress(self, rollout: FirmwareRollout) -> dict[str, int]:
        return rollouts.counts(rollout)


class LeftOutView(serializers.Serializer):
    station = serializers.UUIDField()
    reason = serializers.CharField()


class StartBody(StrictSerializer):
    expected = serializers.CharField(
        max_length=64,
        required=False,
        help_text="`fingerprint` of the preview; 409 where something else would happen",
    )


class RolloutPreviewView(serializers.Serializer):
    count = serializers.IntegerField()
    fingerprint = serializers.CharField(help_text="Of what the rollout would do; hand it to `start`")
    waves = serializers.ListField(child=serializers.ListField(child=serializers.UUIDField()))
    left_out = LeftOutView(many=True)


class RolloutStationView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(source="station_id")
    wave = serializers.IntegerField(source="wave.number", allow_null=True, default=None)
    status = serializers.ChoiceField([word.value for word in Progress])
    detail = serializers.CharField()
    attempts = serializers.IntegerField()
    version_before = serializers.CharField()
    next_try_at = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    status_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class RollbackBody(StrictSerializer):
    image = OwnRow(
        FirmwareImage.objects, required=False, help_text="Without it: the one that most of them had before"
    )
