"""What hangs below a station: messages on its display, tariffs it keeps, payments it settled."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from portal.api.fields import token_shown
from portal.api.ocpp_types import ShownAddress, ShownTariff
from portal.api.searching import Search
from portal.api.stations import BelowStation
from stations.domain.displays import DisplayStatus
from stations.domain.payments import SettlementStatus
from stations.domain.station_tariffs import StationTariffStatus, TariffKind
from stations.models import DisplayMessage, Settlement, StationTariff


class DisplayTextView(serializers.Serializer):
    text = serializers.CharField()
    language = serializers.CharField()
    format = serializers.CharField()


class DisplayMessageView(serializers.Serializer):
    id = serializers.UUIDField()
    ocpp_message_id = serializers.IntegerField(source="number")
    priority = serializers.CharField()
    state = serializers.CharField()
    texts = DisplayTextView(many=True)
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    transaction = serializers.UUIDField(source="transaction_id", allow_null=True)
    component = serializers.CharField()
    component_instance = serializers.CharField()
    evse_id = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField([word.value for word in DisplayStatus])
    detail = serializers.CharField()
    told_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    cleared_at = serializers.DateTimeField(allow_null=True)


class DisplayMessageFilter(filters.FilterSet):
    search = Search("detail", "created_by")

    class Meta:
        model = DisplayMessage
        fields = ["status", "priority", "state"]


class DisplayMessageList(BelowStation):
    """Messages on the station's display, in the words that it reported last."""

    scopes = {"read": "stations:read"}
    serializer_class = DisplayMessageView
    filter_class = filterset_class = DisplayMessageFilter

    def rows(self) -> QuerySet[DisplayMessage]:
        return DisplayMessage.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_display_messages", responses=DisplayMessageView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the display messages of a station, newest first."""
        return self.listing()


class StationTariffView(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField([word.value for word in TariffKind])
    tariff_id = serializers.CharField()
    evse_id = serializers.IntegerField(help_text="0: all EVSEs")
    transaction = serializers.UUIDField(source="transaction_id", allow_null=True)
    tariff = ShownTariff(help_text="As it was given; empty where only the station told of it")
    tokens = serializers.SerializerMethodField()
    valid_from = serializers.DateTimeField(allow_null=True)
    status = serializers.ChoiceField([word.value for word in StationTariffStatus])
    detail = serializers.CharField()
    told_at = serializers.DateTimeField()

    def get_tokens(self, tariff: StationTariff) -> list[str]:
        return [token_shown(value, self.context["actor"]) for value in tariff.token_values]


class StationTariffFilter(filters.FilterSet):
    search = Search("tariff_id", "detail")

    class Meta:
        model = StationTariff
        fields = ["kind", "tariff_id", "evse_id", "status"]


class StationTariffList(BelowStation):
    """Tariffs that the station keeps and prices with."""

    scopes = {"read": "stations:read"}
    serializer_class = StationTariffView
    filter_class = filterset_class = StationTariffFilter

    def rows(self) -> QuerySet[StationTariff]:
        return StationTariff.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_tariffs", responses=StationTariffView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the tariffs at a station, newest first."""
        return self.listing()


class SettlementView(serializers.Serializer):
    id = serializers.UUIDField()
    psp_ref = serializers.CharField()
    transaction = serializers.UUIDField(source="transaction_id", allow_null=True)
    ocpp_transaction_id = serializers.CharField(source="transaction_reference")
    status = serializers.ChoiceField([word.value for word in SettlementStatus])
    detail = serializers.CharField()
    amount = serializers.DecimalField(max_digits=18, decimal_places=6, normalize_output=True)
    receipt_id = serializers.CharField()
    receipt_url = serializers.CharField()
    vat_number = serializers.CharField()
    vat_company = ShownAddress()
    settled_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()


class SettlementFilter(filters.FilterSet):
    transaction = filters.UUIDFilter(field_name="transaction_id")
    search = Search("psp_ref", "transaction_reference", "receipt_id")

    class Meta:
        model = Settlement
        fields = ["status", "psp_ref"]


class SettlementList(BelowStation):
    """Payments by the station's own terminal."""

    scopes = {"read": "transactions:read"}
    serializer_class = SettlementView
    filter_class = filterset_class = SettlementFilter

    def rows(self) -> QuerySet[Settlement]:
        return Settlement.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_settlements", responses=SettlementView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the settlements of a station, newest first."""
        return self.listing()
