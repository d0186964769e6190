"""``/alerts/``, also below a station."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.resource import ListResource, Resource, found, with_etag
from portal.api.stations import BelowStation
from stations.models import Alert
from stations.services import alerts


class AlertView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(
        source="station_id", allow_null=True, help_text="Null: it is of the organization"
    )
    kind = serializers.CharField()
    subject = serializers.CharField()
    severity = serializers.ChoiceField(Alert.Severity.choices)
    detail = serializers.CharField()
    count = serializers.IntegerField()
    raised_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = serializers.CharField()
    cleared_at = serializers.DateTimeField(allow_null=True)


class AlertFilter(filters.FilterSet):
    open = filters.BooleanFilter(field_name="cleared_at", lookup_expr="isnull")
    acknowledged = filters.BooleanFilter(field_name="acknowledged_at", lookup_expr="isnull", exclude=True)
    station = filters.UUIDFilter(field_name="station_id")
    search = filters.CharFilter(field_name="detail", lookup_expr="icontains")

    class Meta:
        model = Alert
        fields = ["kind", "severity"]


class AnyAlertFilter(AlertFilter):
    site = filters.UUIDFilter(field_name="station__site_id", help_text="Of stations that stand there now")
    of_organization = filters.BooleanFilter(
        field_name="station", lookup_expr="isnull", help_text="Those without a station"
    )


class AlertList(ListResource):
    """Alerts of all stations, and of the organization."""

    scopes = {"read": "alerts:read"}
    serializer_class = AlertView
    filter_class = filterset_class = AnyAlertFilter

    def rows(self) -> QuerySet[Alert]:
        return Alert.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_alerts", responses=AlertView(many=True))
    def get(self, request: Request) -> Any:
        """List the alerts, newest first; `?of_organization=true` are those without a station."""
        return self.listing()


class StationAlerts(BelowStation):
    """Alerts of one station."""

    scopes = {"read": "alerts:read"}
    serializer_class = AlertView
    filter_class = filterset_class = AlertFilter

    def rows(self) -> QuerySet[Alert]:
        return Alert.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_alerts", responses=AlertView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the alerts of a station, newest first."""
        return self.listing()


class AlertDetail(Resource):
    """One alert."""

    scopes = {"read": "alerts:read"}
    serializer_class = AlertView

    @extend_schema(operation_id="get_alert")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read an alert."""
        return with_etag(request, self.represent(found(Alert.objects.visible_to(self.actor), pk)))


class AlertAcknowledgement(Resource):
    """Somebody has seen the alert."""

    scopes = {"write": "alerts:write"}
    serializer_class = AlertView

    @extend_schema(operation_id="acknowledge_alert", request=None, responses={200: AlertView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Acknowledge an alert."""
        alert = found(Alert.objects.visible_to(self.actor).select_related("station"), pk)
        return self.once(lambda: Response(self.represent(alerts.acknowledge(alert, by=self.actor))))
