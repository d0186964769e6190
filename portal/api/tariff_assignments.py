"""``/tariffs/{id}/assignments/``: where a tariff holds, and for whom."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from drivers.models import Driver, DriverGroup
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, StrictSerializer, found
from portal.api.tariffs import OneTariff
from stations.models import ChargingStation, Evse, Site, TariffAssignment
from stations.services import tariff_assignments
from tariffs.models import Tariff
from tariffs.rounding import Basis
from tariffs.structure import TariffType


class AssignmentBody(StrictSerializer):
    """One place, or a driver or a group whose contract it is; none for the whole organization."""

    site = OwnRow(Site.objects, required=False)
    station = OwnRow(ChargingStation.objects, required=False)
    evse = OwnRow(Evse.objects, required=False)
    driver = OwnRow(Driver.objects, required=False)
    driver_group = OwnRow(DriverGroup.objects, required=False)
    connector_type = serializers.CharField(
        required=False, allow_blank=True, max_length=20, help_text="Only for these, such as cCCS2"
    )
    role = serializers.ChoiceField(
        ["", *(word.value for word in TariffType)],
        required=False,
        help_text="For whom; without it the tariff's own type",
    )
    basis = serializers.ChoiceField(
        ["", *(word.value for word in Basis)],
        required=False,
        help_text="Of a contract: net for a company, whose prices are rounded without VAT",
    )


class AssignmentView(serializers.Serializer):
    id = serializers.UUIDField()
    tariff = serializers.UUIDField(source="tariff_id")
    site = serializers.UUIDField(source="site_id", allow_null=True)
    station = serializers.UUIDField(source="station_id", allow_null=True)
    evse = serializers.UUIDField(source="evse_id", allow_null=True)
    driver = serializers.UUIDField(source="driver_id", allow_null=True)
    driver_group = serializers.UUIDField(source="driver_group_id", allow_null=True)
    connector_type = serializers.CharField()
    role = serializers.CharField()
    basis = serializers.CharField()
    assigned_at = serializers.DateTimeField()
    assigned_by = serializers.CharField()
    ended_at = serializers.DateTimeField(allow_null=True)


class AssignmentFilter(filters.FilterSet):
    current = filters.BooleanFilter(
        field_name="ended_at", lookup_expr="isnull", label="Without the ended ones"
    )

    class Meta:
        model = TariffAssignment
        fields = ["site", "station", "evse", "driver", "driver_group", "connector_type", "role"]


class AssignmentList(ListResource, OneTariff):
    """Where a tariff holds, and where it did."""

    serializer_class: ClassVar[type[serializers.BaseSerializer]] = AssignmentView
    filter_class = filterset_class = AssignmentFilter

    def rows(self) -> QuerySet[TariffAssignment]:
        return TariffAssignment.objects.visible_to(self.actor).filter(tariff=self.tariff())

    @extend_schema(operation_id="list_tariff_assignments", responses=AssignmentView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List where a tariff holds, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="assign_tariff",
        request=AssignmentBody,
        responses={201: AssignmentView},
        examples=[OpenApiExample("In the whole organization", {}, request_only=True)],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Let the tariff hold at a place from now on, instead of the one before; sessions that began keep theirs."""
        tariff = self.tariff()
        return self.once(lambda: self._assign(tariff))

    def _assign(self, tariff: Tariff) -> Response:
        values = self.body(AssignmentBody)
        whom = {name: values.pop(name) for name in ("role", "connector_type", "basis") if name in values}
        if len(values) > 1:
            raise serializers.ValidationError({"non_field_errors": "Name one place at most."})
        made = tariff_assignments.assign(
            tariff, place=next(iter(values.values()), None), by=self.actor, **whom
        )
        location = f"/api/v1/tariffs/{tariff.pk}/assignments/{made.pk}/"
        return Response(self.represent(made), status=201, headers={"Location": location})


class AssignmentDetail(OneTariff):
    """One place at which a tariff holds."""

    scopes = {"write": "tariffs:write"}

    @extend_schema(operation_id="end_tariff_assignment", responses={204: None})
    def delete(self, request: Request, pk: UUID, assignment_pk: UUID) -> Response:
        """Let the tariff no longer hold there; sessions that began keep it."""
        rows = TariffAssignment.objects.visible_to(self.actor).filter(tariff=self.tariff())
        tariff_assignments.end(found(rows.select_related("tariff"), assignment_pk), by=self.actor)
        return Response(status=204)
