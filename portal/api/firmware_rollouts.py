"""``/firmware-rollouts/``: one image for many stations, in waves (security.md W-20, W-21)."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.bulk_commands import TargetFilter
from portal.api.fields import OwnRow
from portal.api.resource import (
    ListResource,
    Resource,
    StrictSerializer,
    found,
    require_match,
    with_defaults,
    with_etag,
)
from stations.domain.rollouts import DAYS, PausedBy, Progress, RolloutStatus
from stations.models import ChargingStation, FirmwareImage, FirmwareRollout, RolloutStation
from stations.services import rollouts
from stations.services.rollouts import planning

SCOPES = {"read": "firmware:read", "write": "firmware:write"}
IMAGE = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
EXAMPLE = {
    "name": "Acme 1.5.0 in the north",
    "image": IMAGE,
    "filter": {"vendor": "Acme", "model": "AC22"},
    "waves": [{"count": 1}, {"percent": 20}, {"percent": 79}],
    "soak_seconds": 3600,
    "window": {"start_time": "22:00", "end_time": "05:00"},
}
PLAIN = ("name", "soak_seconds", "concurrency", "only_when_idle", "failure_threshold", "failure_count",
         "retries", "retry_seconds", "silence_seconds", "catch_up_seconds")  # fmt: skip


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
    wave_progress = WaveView(many=True, source="waves_done")

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


class RolloutFilter(filters.FilterSet):
    retired = filters.BooleanFilter(field_name="retired_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = FirmwareRollout
        fields = ["status", "image"]


class RolloutStationFilter(filters.FilterSet):
    wave = filters.NumberFilter(field_name="wave__number")

    class Meta:
        model = RolloutStation
        fields = ["status", "station", "wave"]


class RolloutList(ListResource):
    """Firmware rollouts of the organization."""

    scopes: ClassVar[Mapping[str, str]] = SCOPES
    serializer_class = RolloutView
    filter_class = filterset_class = RolloutFilter

    def rows(self) -> QuerySet[FirmwareRollout]:
        return FirmwareRollout.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_firmware_rollouts", responses=RolloutView(many=True))
    def get(self, request: Request) -> Any:
        """List the rollouts, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="create_firmware_rollout",
        request=RolloutBody,
        responses={201: RolloutDetailView},
        examples=[OpenApiExample("By night, in three waves", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Draft a rollout. Nothing is sent before `start`; read `preview` to see whom it would reach."""
        return self.once(self._create)

    def _create(self) -> Response:
        rollout = planning.draft(_values(self.body(RolloutBody)), by=self.actor)
        location = f"/api/v1/firmware-rollouts/{rollout.pk}/"
        return Response(_shown(rollout), status=201, headers={"Location": location})


class OneRollout(Resource):
    """What all paths below one rollout share."""

    scopes: ClassVar[Mapping[str, str]] = SCOPES
    serializer_class = RolloutDetailView

    def rollout(self, pk: UUID) -> FirmwareRollout:
        one: FirmwareRollout = found(FirmwareRollout.objects.visible_to(self.actor), pk)
        return one


class RolloutDetail(OneRollout):
    """One firmware rollout."""

    fixed = ("status",)

    @extend_schema(operation_id="get_firmware_rollout")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a rollout, with how many stations stand where."""
        return with_etag(request, _shown(self.rollout(pk)), RolloutBody)

    @extend_schema(operation_id="change_firmware_rollout", request=RolloutBody)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change a draft."""
        return self._change(pk, self.body(RolloutBody, partial=True))

    @extend_schema(operation_id="replace_firmware_rollout", request=RolloutBody)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace a draft; what is left out has its default again."""
        values = self.replacement(RolloutBody, _shown(self.rollout(pk)))
        others = {"stations": [], "filter": {}, "waves": [], "window": None}
        return self._change(pk, with_defaults({**others, **values}, FirmwareRollout, PLAIN))

    def _change(self, pk: UUID, values: Mapping[str, Any]) -> Response:
        rollout = self.rollout(pk)
        require_match(self.request, _shown(rollout), RolloutBody)
        return with_etag(
            self.request, _shown(planning.change(rollout, _values(values), by=self.actor)), RolloutBody
        )

    @extend_schema(operation_id="retire_firmware_rollout", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Take a draft, or a rollout that is over, out of the lists. What happened is kept."""
        rollout = self.rollout(pk)
        require_match(request, _shown(rollout), RolloutBody)
        planning.retire(rollout, by=self.actor)
        return Response(status=204)


class RolloutPreview(OneRollout):
    """Whom a rollout would reach if it were started now."""

    serializer_class = RolloutPreviewView

    @extend_schema(operation_id="preview_firmware_rollout")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read the waves as they would be now, and who is left out for which reason."""
        rollout = self.rollout(pk)
        seen = planning.preview(rollout)
        left_out = [{"station": station.pk, "reason": reason} for station, reason in seen.left_out]
        waves = [[station.pk for station in wave] for wave in seen.waves]
        told = {"count": len(seen.included), "fingerprint": planning.fingerprint(rollout, seen)}
        return Response(RolloutPreviewView({**told, "waves": waves, "left_out": left_out}).data)


class Decision(OneRollout):
    """What a person or a key decides about a rollout."""

    decide: ClassVar[Callable[..., FirmwareRollout]]

    def decided(self, pk: UUID) -> Response:
        rollout = self.rollout(pk)
        return self.once(lambda: Response(_shown(type(self).decide(rollout, by=self.actor))))


class StartRollout(Decision):
    decide = staticmethod(rollouts.start)

    @extend_schema(operation_id="start_firmware_rollout", request=StartBody)
    def post(self, request: Request, pk: UUID) -> Response:
        """Start a draft, with the stations that fit now.

        Above the threshold for a second person it is `awaiting_approval` until another person or key approves;
        what one person started alone within a day counts together, and the key of a person is that person.
        """
        rollout, given = self.rollout(pk), self.body(StartBody) if self.request.data else {}
        expected = given.get("expected", "")
        return self.once(lambda: Response(_shown(rollouts.start(rollout, by=self.actor, expected=expected))))


class ApproveRollout(Decision):
    decide = staticmethod(rollouts.approve)

    @extend_schema(operation_id="approve_firmware_rollout", request=None)
    def post(self, request: Request, pk: UUID) -> Response:
        """Approve a rollout that another person or key started."""
        return self.decided(pk)


class PauseRollout(Decision):
    decide = staticmethod(rollouts.pause)

    @extend_schema(operation_id="pause_firmware_rollout", request=None)
    def post(self, request: Request, pk: UUID) -> Response:
        """Send nothing more for now. Stations that are at it go on and are followed."""
        return self.decided(pk)


class ResumeRollout(Decision):
    decide = staticmethod(rollouts.resume)

    @extend_schema(operation_id="resume_firmware_rollout", request=None)
    def post(self, request: Request, pk: UUID) -> Response:
        """Go on, in spite of what was lost so far; only what is lost from now on counts for the stop rule."""
        return self.decided(pk)


class AbortRollout(Decision):
    decide = staticmethod(rollouts.abort)

    @extend_schema(operation_id="abort_firmware_rollout", request=None)
    def post(self, request: Request, pk: UUID) -> Response:
        """End it. No update that a station has begun is taken back; those are followed to their end."""
        return self.decided(pk)


class RetryRollout(Decision):
    decide = staticmethod(rollouts.retry)

    @extend_schema(operation_id="retry_firmware_rollout", request=None)
    def post(self, request: Request, pk: UUID) -> Response:
        """Try the stations again that failed or were not reached."""
        return self.decided(pk)


DECISIONS: Mapping[str, type[Decision]] = {
    "start": StartRollout,
    "approve": ApproveRollout,
    "pause": PauseRollout,
    "resume": ResumeRollout,
    "abort": AbortRollout,
    "retry": RetryRollout,
}


class RolloutBack(OneRollout):
    """The way back to the version before."""

    @extend_schema(
        operation_id="roll_back_firmware_rollout", request=RollbackBody, responses={201: RolloutDetailView}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Draft a rollout of the image before, for the stations that this one updated."""
        return self.once(lambda: self._draft(pk))

    def _draft(self, pk: UUID) -> Response:
        image = self.body(RollbackBody).get("image")
        back = rollouts.rollback(self.rollout(pk), by=self.actor, image=image)
        location = f"/api/v1/firmware-rollouts/{back.pk}/"
        return Response(_shown(back), status=201, headers={"Location": location})


class RolloutStations(ListResource):
    """The stations of a rollout, those left out included."""

    scopes: ClassVar[Mapping[str, str]] = SCOPES
    serializer_class = RolloutStationView
    filter_class = filterset_class = RolloutStationFilter

    def rows(self) -> QuerySet[RolloutStation]:
        rollout = found(FirmwareRollout.objects.visible_to(self.actor), self.kwargs["pk"])
        return RolloutStation.objects.visible_to(self.actor).filter(rollout=rollout).select_related("wave")

    @extend_schema(operation_id="list_firmware_rollout_stations", responses=RolloutStationView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List where each station of the rollout stands."""
        return self.listing()


class RolloutStationDetail(OneRollout):
    """One station of a rollout."""

    serializer_class = RolloutStationView

    @extend_schema(operation_id="leave_out_of_firmware_rollout", responses={200: RolloutStationView})
    def delete(self, request: Request, pk: UUID, station: UUID) -> Response:
        """Leave out a station that still waits."""
        return Response(self.represent(rollouts.leave_out(self.rollout(pk), station, by=self.actor)))


def _shown(rollout: FirmwareRollout) -> Any:
    rollout.waves_done = list(rollout.waves.all())  # type: ignore[attr-defined]
    return RolloutDetailView(rollout).data


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """As the service takes them."""
    values = {name: given[name] for name in ("image", *PLAIN) if name in given}
    if "stations" in given:
        values["stations"] = given["stations"]
    if "filter" in given:
        values["filter"] = planning.stored_filter(given["filter"])
    if "waves" in given:
        values["waves_wanted"] = [dict(wave) for wave in given["waves"]]
    if "window" in given:
        window = given["window"] or {}
        values["window_start"] = window.get("start_time")
        values["window_end"] = window.get("end_time")
        values["window_days"] = window.get("day_of_week", [])
    return values
