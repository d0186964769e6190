"""Below a station: variables over time, reports, monitors, events, streams, network profiles, capabilities."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.ids import uuid7_of
from portal.api.fields import Number
from portal.api.resource import Resource, found
from portal.api.searching import Search
from portal.api.stations import BelowStation
from stations.domain.capabilities import Source, judged
from stations.domain.words import Capability
from stations.models import (
    ChargingStation,
    EventStream,
    Monitor,
    NetworkProfile,
    Report,
    StationEvent,
    StreamValue,
    VariableValue,
)
from stations.services import learning


class VariableValueView(serializers.Serializer):
    component = serializers.CharField(source="variable.component")
    component_instance = serializers.CharField(source="variable.component_instance")
    evse_id = serializers.IntegerField(source="variable.evse_id", allow_null=True)
    variable = serializers.CharField(source="variable.variable")
    instance = serializers.CharField(source="variable.variable_instance")
    attribute = serializers.CharField(source="variable.attribute")
    value = serializers.CharField()
    source = serializers.ChoiceField(VariableValue.Source.choices)
    by = serializers.CharField(help_text="Who set it; empty where the station reported it")
    at = serializers.DateTimeField()


class VariableValueFilter(filters.FilterSet):
    component = filters.CharFilter(field_name="variable__component")
    variable = filters.CharFilter(field_name="variable__variable")
    evse_id = filters.NumberFilter(field_name="variable__evse_id")
    attribute = filters.CharFilter(field_name="variable__attribute")
    search = Search("variable__component", "variable__variable")

    class Meta:
        model = VariableValue
        fields = ["source"]


class VariableHistory(BelowStation):
    """Values of variables over time: who set them, what was reported."""

    scopes = {"read": "variables:read"}
    serializer_class = VariableValueView
    filter_class = filterset_class = VariableValueFilter

    def rows(self) -> QuerySet[VariableValue]:
        return VariableValue.objects.filter(variable__station=self.station()).select_related("variable")

    @extend_schema(operation_id="list_station_variable_history", responses=VariableValueView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List values of variables over time, newest first."""
        return self.listing()


class ReportView(serializers.Serializer):
    id = serializers.UUIDField()
    about = serializers.ChoiceField(Report.About.choices)
    kind = serializers.CharField()
    request_id = serializers.IntegerField()
    state = serializers.ChoiceField(Report.State.choices)
    answer = serializers.CharField(help_text="The station's word to the request")
    parts = serializers.ListField(child=serializers.IntegerField())
    missing = serializers.ListField(child=serializers.IntegerField(), help_text="At most 20 of them")
    entries = serializers.IntegerField(source="variable_count")
    requested = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    last_part_at = serializers.DateTimeField(allow_null=True)
    incomplete_at = serializers.DateTimeField(allow_null=True)


class ReportFilter(filters.FilterSet):
    search = Search("kind")

    class Meta:
        model = Report
        fields = ["about", "complete", "requested"]


class ReportList(BelowStation):
    """Reports in parts, with the parts that are missing."""

    scopes = {"read": "variables:read"}
    serializer_class = ReportView
    filter_class = filterset_class = ReportFilter

    def rows(self) -> QuerySet[Report]:
        return Report.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_reports", responses=ReportView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the reports of a station, newest first."""
        return self.listing()


class MonitorView(serializers.Serializer):
    number = serializers.IntegerField(help_text="The id that the station gave")
    component = serializers.CharField()
    component_instance = serializers.CharField()
    evse_id = serializers.IntegerField(allow_null=True)
    connector_id = serializers.IntegerField(allow_null=True)
    variable = serializers.CharField()
    instance = serializers.CharField(source="variable_instance")
    type = serializers.CharField()
    value = Number(allow_null=True)
    severity = serializers.IntegerField(allow_null=True)
    transaction = serializers.BooleanField(source="transaction_only")
    kind = serializers.CharField()
    set_by = serializers.CharField()
    set_at = serializers.DateTimeField(allow_null=True)
    reported_at = serializers.DateTimeField(allow_null=True)
    cleared_at = serializers.DateTimeField(allow_null=True)
    alerting = serializers.BooleanField()
    last_value = serializers.CharField()
    last_event_at = serializers.DateTimeField(allow_null=True)


class MonitorFilter(filters.FilterSet):
    active = filters.BooleanFilter(field_name="cleared_at", lookup_expr="isnull")
    search = Search("component", "variable")

    class Meta:
        model = Monitor
        fields = ["component", "variable", "type", "alerting"]


class MonitorList(BelowStation):
    """Monitors on variables of a station."""

    scopes = {"read": "variables:read"}
    serializer_class = MonitorView
    filter_class = filterset_class = MonitorFilter
    ordering: ClassVar[tuple[str, ...]] = ("number", "id")

    def rows(self) -> QuerySet[Monitor]:
        return Monitor.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_monitors", responses=MonitorView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the monitors of a station."""
        return self.listing()


class StationEventView(serializers.Serializer):
    id = serializers.SerializerMethodField()
    event_id = serializers.IntegerField()
    monitor = serializers.IntegerField(source="monitor.number", allow_null=True, default=None)
    trigger = serializers.CharField()
    kind = serializers.CharField()
    component = serializers.CharField()
    component_instance = serializers.CharField()
    evse_id = serializers.IntegerField(allow_null=True)
    connector_id = serializers.IntegerField(allow_null=True)
    variable = serializers.CharField()
    instance = serializers.CharField(source="variable_instance")
    value = serializers.CharField()
    cleared = serializers.BooleanField()
    severity = serializers.IntegerField(allow_null=True)
    tech_code = serializers.CharField()
    tech_info = serializers.CharField()
    transaction = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()

    def get_id(self, event: StationEvent) -> UUID:
        return uuid7_of(event.received_at, event.pk)


class StationEventFilter(filters.FilterSet):
    monitor = filters.NumberFilter(field_name="monitor__number")
    search = Search("component", "variable", "tech_info")

    class Meta:
        model = StationEvent
        fields = ["trigger", "component", "variable", "cleared"]


class StationEventList(BelowStation):
    """Events that a station told of its variables."""

    scopes = {"read": "variables:read"}
    serializer_class = StationEventView
    filter_class = filterset_class = StationEventFilter

    def rows(self) -> QuerySet[StationEvent]:
        return StationEvent.objects.filter(station=self.station()).select_related("monitor")

    @extend_schema(operation_id="list_station_events", responses=StationEventView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the events of a station, newest first."""
        return self.listing()


class EventStreamView(serializers.Serializer):
    id = serializers.UUIDField()
    number = serializers.IntegerField()
    monitor = serializers.IntegerField(source="monitor_number")
    interval_s = serializers.IntegerField(allow_null=True)
    values_per_message = serializers.IntegerField(allow_null=True)
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    last_value = serializers.CharField()
    last_at = serializers.DateTimeField(allow_null=True)
    pending = serializers.IntegerField()


class EventStreamList(BelowStation):
    """Periodic event streams of a station."""

    scopes = {"read": "variables:read"}
    serializer_class = EventStreamView

    def rows(self) -> QuerySet[EventStream]:
        return EventStream.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_streams", responses=EventStreamView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the event streams of a station, newest first."""
        return self.listing()


class StreamValueView(serializers.Serializer):
    occurred_at = serializers.DateTimeField()
    value = serializers.CharField()


class StreamValueList(BelowStation):
    """Values of one event stream."""

    scopes = {"read": "variables:read"}
    serializer_class = StreamValueView

    def rows(self) -> QuerySet[StreamValue]:
        stream = found(EventStream.objects.filter(station=self.station()), self.kwargs["stream"])
        return StreamValue.objects.filter(stream=stream)

    @extend_schema(operation_id="list_stream_values", responses=StreamValueView(many=True))
    def get(self, request: Request, pk: UUID, stream: UUID) -> Any:
        """List the values of an event stream, the last stored first."""
        return self.listing()


class NetworkProfileView(serializers.Serializer):
    slot = serializers.IntegerField()
    url = serializers.CharField()
    interface = serializers.CharField()
    message_timeout_s = serializers.IntegerField(allow_null=True)
    security_profile = serializers.IntegerField(allow_null=True)
    identity = serializers.CharField()
    set_by = serializers.CharField()
    set_at = serializers.DateTimeField(allow_null=True)
    refused_at = serializers.DateTimeField(allow_null=True)
    refusal = serializers.CharField()


class NetworkProfileList(BelowStation):
    """What a station keeps in its connection slots, as far as we wrote them."""

    scopes = {"read": "variables:read"}
    serializer_class = NetworkProfileView
    ordering: ClassVar[tuple[str, ...]] = ("slot", "id")

    def rows(self) -> QuerySet[NetworkProfile]:
        return NetworkProfile.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_network_profiles", responses=NetworkProfileView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the network profiles of a station."""
        return self.listing()


class CapabilityView(serializers.Serializer):
    capability = serializers.ChoiceField([word.value for word in Capability])
    supported = serializers.BooleanField(help_text="What nobody told is taken for possible")
    source = serializers.ChoiceField([word.value for word in Source], allow_null=True)
    detail = serializers.CharField()
    learned_at = serializers.CharField(allow_null=True)


class Capabilities(Resource):
    """What a station can do, and where that was learned."""

    scopes: ClassVar[dict[str, str]] = {"read": "stations:read", "DELETE": "stations:write"}
    serializer_class = CapabilityView

    def _station(self, pk: UUID) -> ChargingStation:
        station: ChargingStation = found(ChargingStation.objects.live().visible_to(self.actor), pk)
        return station

    @extend_schema(operation_id="list_station_capabilities", responses=CapabilityView(many=True))
    def get(self, request: Request, pk: UUID) -> Response:
        """Read what a station can do."""
        learned = self._station(pk).capabilities
        return Response([self._line(capability, learned) for capability in Capability])

    @extend_schema(operation_id="forget_station_capabilities", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Forget what was learned by refusals, reports and hints; it is learned anew."""
        learning.forget(self._station(pk), by=self.actor)
        return Response(status=204)

    def _line(self, capability: Capability, learned: dict[str, Any]) -> dict[str, Any]:
        judgement = judged(learned, capability)
        return {
            "capability": capability.value,
            "supported": judgement.able is not False,
            "source": judgement.source.value if judgement.source else None,
            "detail": judgement.detail,
            "learned_at": judgement.at or None,
        }
