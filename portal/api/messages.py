"""``/stations/{id}/messages/``: the raw frames, secrets masked."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from core.access import Permission
from core.ids import uuid7_of
from portal.api.stations import BelowStation
from stations.domain.personal import shortened
from stations.models import RawFrame


class MessageView(serializers.Serializer):
    id = serializers.SerializerMethodField()
    at = serializers.DateTimeField()
    direction = serializers.ChoiceField(["in", "out"])
    type = serializers.IntegerField(allow_null=True)
    action = serializers.CharField()
    message_id = serializers.CharField()
    verdict = serializers.CharField()
    latency_ms = serializers.SerializerMethodField()
    size_bytes = serializers.IntegerField()
    repairs = serializers.ListField(child=serializers.CharField(), allow_null=True)
    frame = serializers.SerializerMethodField(help_text="Tokens are shortened without the scope tokens:read")

    def get_id(self, frame: RawFrame) -> UUID:
        return uuid7_of(frame.at, frame.pk)

    def get_frame(self, frame: RawFrame) -> str:
        whole = self.context["actor"].can(Permission.DRIVERS_VIEW)
        return frame.text if whole else shortened(frame.text)

    def get_latency_ms(self, frame: RawFrame) -> float | None:
        return None if frame.latency_us is None else frame.latency_us / 1000


class MessageFilter(filters.FilterSet):
    after = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    before = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")
    direction = filters.ChoiceFilter(choices=[("in", "in"), ("out", "out")])
    type = filters.NumberFilter()
    action = filters.CharFilter()
    message_id = filters.CharFilter()
    verdict = filters.CharFilter(lookup_expr="startswith")

    class Meta:
        model = RawFrame
        fields: ClassVar[list[str]] = []


class MessageList(BelowStation):
    """Every frame in both directions with the verdict on it."""

    scopes = {"read": "messages:read"}
    serializer_class = MessageView
    filter_class = filterset_class = MessageFilter
    ordering: ClassVar[tuple[str, ...]] = ("-at", "-id")
    ordering_fields: ClassVar[tuple[str, ...]] = ("at",)

    def rows(self) -> QuerySet[RawFrame]:
        return RawFrame.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_messages", responses=MessageView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the frames of a station, newest first."""
        return self.listing()
