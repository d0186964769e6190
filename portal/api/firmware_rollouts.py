"""``/firmware-rollouts/``: one image for many stations, in waves (security.md W-20, W-21)."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.firmware_rollout_views import (
    EXAMPLE,
    RollbackBody,
    RolloutBody,
    RolloutDetailView,
    RolloutPreviewView,
    RolloutStationView,
    RolloutView,
    StartBody,
)
from portal.api.resource import (
    ListResource,
    Resource,
    found,
    require_match,
    with_defaults,
    with_etag,
)
from portal.api.searching import Search
from stations.models import FirmwareRollout, RolloutStation
from stations.services import rollouts
from stations.services.rollouts import planning

SCOPES = {"read": "firmware:read", "write": "firmware:write"}
PLAIN = ("name", "soak_seconds", "concurrency", "only_when_idle", "failure_threshold", "failure_count",
         "retries", "retry_seconds", "silence_seconds", "catch_up_seconds")  # fmt: skip


class RolloutFilter(filters.FilterSet):
    retired = filters.BooleanFilter(field_name="retired_at", lookup_expr="isnull", exclude=True)
    search = Search("name", "detail", "created_by")

    class Meta:
        model = FirmwareRollout
        fields = ["status", "image"]


class RolloutStationFilter(filters.FilterSet):
    wave = filters.NumberFilter(field_name="wave__number")
    search = Search("station__identity", "station__name", "detail")

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
        rollout, given = self.rollout(pk), self.body(StartBody)
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
