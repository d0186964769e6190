"""``/stations/{id}/data-transfers/`` and ``/data-transfer-rules/``"""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search
from portal.api.stations import BelowStation
from stations.domain.data_transfers import Direction, RuleUse, TransferStatus
from stations.models import DataTransfer, DataTransferRule
from stations.services import data_transfer_rules

EXAMPLE = {
    "use": "answer",
    "vendor_id": "com.example",
    "message_id": "Telemetry",
    "accepts": True,
    "answer_data": "OK",
    "masked_paths": ["customer.phone"],
}


class DataTransferView(serializers.Serializer):
    id = serializers.UUIDField()
    direction = serializers.ChoiceField([word.value for word in Direction])
    vendor_id = serializers.CharField()
    message_id = serializers.CharField()
    data = serializers.CharField(help_text="As text, masked by the rules of the organization")
    status = serializers.ChoiceField(["", *(word.value for word in TransferStatus)])
    answer_data = serializers.CharField()
    command = serializers.UUIDField(source="command_id", allow_null=True)
    occurred_at = serializers.DateTimeField()


class DataTransferFilter(filters.FilterSet):
    search = Search("vendor_id", "message_id")

    class Meta:
        model = DataTransfer
        fields = ["direction", "vendor_id", "message_id", "status"]


class DataTransferList(BelowStation):
    """Messages of vendors from and to the station."""

    scopes = {"read": "messages:read"}
    serializer_class = DataTransferView
    filter_class = filterset_class = DataTransferFilter

    def rows(self) -> QuerySet[DataTransfer]:
        return DataTransfer.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_data_transfers", responses=DataTransferView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the data transfers of a station, newest first."""
        return self.listing()


class RuleBody(StrictSerializer):
    use = serializers.ChoiceField([word.value for word in RuleUse])
    vendor_id = serializers.CharField(max_length=255)
    message_id = serializers.CharField(
        max_length=50, required=False, allow_blank=True, default="", help_text="Empty: any message"
    )
    accepts = serializers.BooleanField(required=False, default=True)
    answer_data = serializers.CharField(max_length=10_000, required=False, allow_blank=True, default="")
    masked_paths = serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=50, required=False, default=list
    )
    station_vendor = serializers.CharField(max_length=50, required=False, allow_blank=True, default="")
    template = serializers.CharField(max_length=10_000, required=False, allow_blank=True, default="")


class RuleView(RuleBody):
    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class RuleFilter(filters.FilterSet):
    search = Search("vendor_id", "message_id", "station_vendor")

    class Meta:
        model = DataTransferRule
        fields = ["use", "vendor_id", "message_id"]


class RuleList(ListResource):
    """How vendors' messages are answered, masked, and used for displays. Changing them is for experts."""

    scopes = {"read": "stations:read", "write": "stations:write"}
    serializer_class = RuleView
    filter_class = filterset_class = RuleFilter
    ordering_fields: ClassVar[tuple[str, ...]] = ("id", "vendor_id")

    def rows(self) -> QuerySet[DataTransferRule]:
        return DataTransferRule.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_data_transfer_rules", responses=RuleView(many=True))
    def get(self, request: Request) -> Any:
        """List the rules, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="create_data_transfer_rule",
        request=RuleBody,
        responses={201: RuleView},
        examples=[OpenApiExample("Accept telemetry", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Create a rule. A key needs the scope `commands:expert` as well."""
        return self.once(self._create)

    def _create(self) -> Response:
        rule = data_transfer_rules.create(self.body(RuleBody), by=self.actor)
        location = f"/api/v1/data-transfer-rules/{rule.pk}/"
        return Response(self.represent(rule), status=201, headers={"Location": location})


class RuleDetail(Resource):
    """One rule."""

    scopes = {"read": "stations:read", "write": "stations:write"}
    serializer_class = RuleView

    def _rule(self, pk: UUID) -> DataTransferRule:
        rule: DataTransferRule = found(DataTransferRule.objects.visible_to(self.actor), pk)
        return rule

    @extend_schema(operation_id="get_data_transfer_rule")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a rule."""
        return with_etag(request, self.represent(self._rule(pk)), RuleBody)

    @extend_schema(operation_id="replace_data_transfer_rule", request=RuleBody)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace a rule."""
        return self._change(pk, self.replacement(RuleBody, self.represent(self._rule(pk))))

    @extend_schema(operation_id="change_data_transfer_rule", request=RuleBody)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change some fields of a rule."""
        self._rule(pk)
        return self._change(pk, self.body(RuleBody, partial=True))

    @extend_schema(operation_id="delete_data_transfer_rule", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Delete a rule; what was kept stays."""
        data_transfer_rules.delete(self._rule(pk), by=self.actor)
        return Response(status=204)

    def _change(self, pk: UUID, values: dict[str, Any]) -> Response:
        rule = self._rule(pk)
        changed = data_transfer_rules.update(rule, values, by=self.actor)
        return with_etag(self.request, self.represent(changed), RuleBody)
