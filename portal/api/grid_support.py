"""What hangs below a station of OCPP 2.1: controls for the grid and swapped batteries."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import TokenShown, token_shown
from portal.api.ocpp_types import DerSettings
from portal.api.searching import Search
from portal.api.stations import BelowStation
from stations.models import BatterySwap, DerControl


class DerControlView(serializers.Serializer):
    id = serializers.UUIDField()
    control_id = serializers.CharField()
    control_type = serializers.CharField()
    is_default = serializers.BooleanField()
    is_superseded = serializers.BooleanField()
    settings = DerSettings()
    running = serializers.BooleanField(allow_null=True)
    running_at = serializers.DateTimeField(allow_null=True)
    told_at = serializers.DateTimeField()
    cleared_at = serializers.DateTimeField(allow_null=True)


class DerControlFilter(filters.FilterSet):
    search = Search("control_id")

    class Meta:
        model = DerControl
        fields = ["control_id", "control_type", "is_default", "is_superseded", "running"]


class DerControlList(BelowStation):
    """Controls for the grid that the station has, as far as it told; those it dropped have `cleared_at`."""

    scopes = {"read": "stations:read"}
    serializer_class = DerControlView
    filter_class = filterset_class = DerControlFilter

    def rows(self) -> QuerySet[DerControl]:
        return DerControl.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_grid_controls", responses=DerControlView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the grid controls of a station, newest first."""
        return self.listing()


class BatteryView(serializers.Serializer):
    evse_id = serializers.IntegerField(source="evseId", default=None, allow_null=True)
    serial_number = serializers.CharField(source="serialNumber", default="")
    soc_percent = serializers.FloatField(source="soC", default=None, allow_null=True)
    soh_percent = serializers.FloatField(source="soH", default=None, allow_null=True)
    production_date = serializers.CharField(source="productionDate", default=None, allow_null=True)
    vendor_info = serializers.CharField(source="vendorInfo", default="")


class BatterySwapView(serializers.Serializer):
    id = serializers.UUIDField()
    request_id = serializers.IntegerField()
    kind = serializers.CharField(help_text="`BatteryIn`, `BatteryOut` or `BatteryOutTimeout`")
    token = serializers.SerializerMethodField()
    batteries = BatteryView(many=True)
    received_at = serializers.DateTimeField()

    @extend_schema_field(TokenShown)
    def get_token(self, swap: BatterySwap) -> dict[str, str]:
        return {"value": token_shown(swap.token_value, self.context["actor"]), "type": swap.token_type}


class BatterySwapFilter(filters.FilterSet):
    class Meta:
        model = BatterySwap
        fields = ["kind", "request_id"]


class BatterySwapList(BelowStation):
    """Batteries that the station handed out and took back."""

    scopes = {"read": "stations:read"}
    serializer_class = BatterySwapView
    filter_class = filterset_class = BatterySwapFilter

    def rows(self) -> QuerySet[BatterySwap]:
        return BatterySwap.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_battery_swaps", responses=BatterySwapView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the swapped batteries of a station, newest first."""
        return self.listing()
