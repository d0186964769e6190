"""Below a station: its firmware jobs, the logs that were asked for, and its security events."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from core.errors import NotFound
from portal.api.resource import Resource
from portal.api.searching import Search
from portal.api.stations import BelowStation
from portal.files import log_content
from stations.domain.firmware import FirmwareKind, JobStatus
from stations.models import FirmwareJob, LogFile, LogJob, SecurityEvent
from stations.services import log_files


class StepView(serializers.Serializer):
    word = serializers.CharField(help_text="The station's own word")
    detail = serializers.CharField()
    count = serializers.IntegerField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class JobView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(source="station_id")
    request_id = serializers.IntegerField(allow_null=True)
    requested = serializers.BooleanField(help_text="False for what the station began by itself")
    status = serializers.ChoiceField([word.value for word in JobStatus])
    detail = serializers.CharField()
    location = serializers.CharField()
    created_at = serializers.DateTimeField()
    reported_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    steps = StepView(many=True, source="steps.all")


class FirmwareJobView(JobView):
    kind = serializers.ChoiceField([word.value for word in FirmwareKind])
    version = serializers.CharField(help_text="What the station should report afterwards")
    version_before = serializers.CharField()
    confirmed_at = serializers.DateTimeField(
        allow_null=True, help_text="When a boot, or the report after it, showed the version"
    )
    signed = serializers.BooleanField()
    retrieve_at = serializers.DateTimeField(allow_null=True)
    install_at = serializers.DateTimeField(allow_null=True)
    checksum = serializers.CharField()
    published_at = serializers.ListField(child=serializers.CharField(), source="locations")


class LogFileView(serializers.Serializer):
    name = serializers.CharField(help_text="Empty until it is received")
    size = serializers.IntegerField(source="size_bytes", allow_null=True, help_text="Bytes")
    sha256 = serializers.CharField()
    expires_at = serializers.DateTimeField(help_text="Until then the station may upload")
    received_at = serializers.DateTimeField(allow_null=True)
    removed_at = serializers.DateTimeField(allow_null=True, help_text="When the bytes were deleted")
    detail = serializers.CharField(help_text="Why the last try was refused")


class LogJobView(JobView):
    kind = serializers.CharField()
    file = serializers.SerializerMethodField(help_text="Where the station uploads to the portal")
    filename = serializers.CharField()
    oldest_at = serializers.DateTimeField(allow_null=True)
    latest_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(LogFileView(allow_null=True))
    def get_file(self, job: LogJob) -> Any:
        upload = getattr(job, "upload", None)
        return None if upload is None else LogFileView(upload).data


class SecurityEventView(serializers.Serializer):
    id = serializers.UUIDField()
    type = serializers.CharField()
    critical = serializers.BooleanField()
    tech_info = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()


class FirmwareJobFilter(filters.FilterSet):
    search = Search("version", "detail")

    class Meta:
        model = FirmwareJob
        fields = ["kind", "status", "requested"]


class LogJobFilter(filters.FilterSet):
    search = Search("filename", "detail")

    class Meta:
        model = LogJob
        fields = ["kind", "status", "requested"]


class SecurityEventFilter(filters.FilterSet):
    search = Search("type", "tech_info")

    class Meta:
        model = SecurityEvent
        fields = ["type", "critical"]


class FirmwareJobList(BelowStation):
    """Firmware updates and publications of one station."""

    scopes = {"read": "firmware:read"}
    serializer_class = FirmwareJobView
    filter_class = filterset_class = FirmwareJobFilter

    def rows(self) -> QuerySet[FirmwareJob]:
        return FirmwareJob.objects.filter(station=self.station()).prefetch_related("steps")

    @extend_schema(operation_id="list_station_firmware_jobs", responses=FirmwareJobView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the firmware jobs of a station, newest first, with every state that it reported."""
        return self.listing()


class LogJobList(BelowStation):
    """Logs that a station was asked for."""

    scopes = {"read": "firmware:read"}
    serializer_class = LogJobView
    filter_class = filterset_class = LogJobFilter

    def rows(self) -> QuerySet[LogJob]:
        rows = LogJob.objects.filter(station=self.station())
        return rows.select_related("upload").prefetch_related("steps")

    @extend_schema(operation_id="list_station_logs", responses=LogJobView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the logs asked for, newest first, with every state of their upload."""
        return self.listing()


class LogFileContent(Resource):
    """The file that a station uploaded."""

    scopes = {"read": "logs:read"}
    serializer_class = LogFileView

    @extend_schema(
        operation_id="download_station_log",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, pk: UUID, job_pk: UUID) -> Any:
        """Download a log as the station sent it. Every download is written into the audit log."""
        rows = LogFile.objects.visible_to(self.actor).filter(station_id=pk, job_id=job_pk)
        upload = rows.select_related("station").first()
        if upload is None:
            raise NotFound("There is no such log, or the station was not asked to upload it here.")
        return log_content(request._request, log_files.reading(upload, by=self.actor))


class SecurityEventList(BelowStation):
    """What a station reported about its own security."""

    scopes = {"read": "stations:read"}
    serializer_class = SecurityEventView
    filter_class = filterset_class = SecurityEventFilter
    ordering: ClassVar[tuple[str, ...]] = ("-occurred_at", "-id")

    def rows(self) -> QuerySet[SecurityEvent]:
        return SecurityEvent.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_security_events", responses=SecurityEventView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the security events of a station, newest first."""
        return self.listing()
