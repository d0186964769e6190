"""``/drivers/`` and ``/driver-groups/``"""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.transaction import atomic
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.access import Actor
from drivers.models import Driver, DriverGroup, DriverStatus
from drivers.services import drivers
from portal.api.budgets import BudgetView, WithBudgets
from portal.api.fields import OwnRow
from portal.api.payer_details import FIELDS, AddressShown, KindShown, VatIdShown, WithPayer, keep_payer
from portal.api.places import SitesShown, WithSites, written
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_defaults, with_etag
from portal.api.tokens import ENDS

SCOPES = {"read": "drivers:read", "write": "drivers:write"}
GROUP_SCOPES = {"read": "driver-groups:read", "write": "driver-groups:write"}
A_COMPANY = {
    "name": "Kurier Nord GmbH",
    "kind": "company",
    "address": {"street": "Hafenstraße 12", "postal_code": "20457", "city": "Hamburg", "country": "DE"},
    "vat_id": "DE136695976",
}
OPTIONAL = ("email", "language", "reference", "group", "status", "blocked_reason", "blocked_until")


class DriverBody(WithPayer, WithBudgets, WithSites, StrictSerializer):
    name = serializers.CharField(max_length=100)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    language = serializers.ChoiceField(drivers.LANGUAGES, required=False, allow_blank=True)
    reference = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="The operator's own number, given once"
    )
    group = OwnRow(DriverGroup.objects.live(), required=False, allow_null=True)
    status = serializers.ChoiceField(DriverStatus.choices, required=False)
    blocked_reason = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Kept while the driver is blocked"
    )
    blocked_until = serializers.DateTimeField(required=False, allow_null=True, help_text=ENDS)


class DriverView(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    email = serializers.CharField()
    language = serializers.CharField()
    reference = serializers.CharField()
    group = serializers.UUIDField(source="group_id", allow_null=True)
    status = serializers.ChoiceField(DriverStatus.choices, source="own_status")
    blocked_reason = serializers.CharField(source="block_reason")
    blocked_until = serializers.DateTimeField(source="block_end", allow_null=True, help_text=ENDS)
    budgets = BudgetView(many=True, source="budgets.all")
    sites = SitesShown()
    kind = KindShown()
    address = AddressShown()
    vat_id = VatIdShown()
    created_at = serializers.DateTimeField()


class DriverFilter(filters.FilterSet):
    email = filters.CharFilter(field_name="email", lookup_expr="iexact")
    reference = filters.CharFilter(field_name="reference", lookup_expr="iexact")
    group = filters.UUIDFilter(field_name="group_id")
    status = filters.ChoiceFilter(choices=DriverStatus.choices, method="of_status")
    search = filters.CharFilter(method="with_text")

    class Meta:
        model = Driver
        fields = ["name", "language"]

    def of_status(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(Driver.of_status(value, clock.now()))

    def with_text(self, rows: Any, name: str, value: str) -> Any:
        words = Q(name__icontains=value) | Q(email__icontains=value) | Q(reference__icontains=value)
        return rows.filter(words)


class DriverList(ListResource):
    """Who charges. A driver holds tokens (`driver` of a token)."""

    scopes = SCOPES
    serializer_class = DriverView
    filter_class = filterset_class = DriverFilter
    ordering_fields: ClassVar[tuple[str, ...]] = ("id", "name", "created_at")

    def rows(self) -> QuerySet[Driver]:
        rows = Driver.objects.live().visible_to(self.actor).select_related("billing_account__buyer")
        return rows.prefetch_related("site_permissions", "budgets")

    @extend_schema(operation_id="list_drivers", responses=DriverView(many=True))
    def get(self, request: Request) -> Any:
        """List the drivers."""
        return self.listing()

    @extend_schema(
        operation_id="create_driver",
        request=DriverBody,
        responses={201: DriverView},
        examples=[
            OpenApiExample("A driver", {"name": "Frida Abend", "language": "de"}, request_only=True),
            OpenApiExample("A company that pays", A_COMPANY, request_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Keep a new driver."""
        return self.once(self._create)

    def _create(self) -> Response:
        driver = _stored(
            self.body(DriverBody), lambda rest: drivers.create(**rest, by=self.actor), self.actor
        )
        location = f"/api/v1/drivers/{driver.pk}/"
        return Response(self.represent(driver), status=201, headers={"Location": location})


class DriverDetail(Resource):
    """One driver."""

    scopes = SCOPES
    serializer_class = DriverView

    def _driver(self, pk: UUID) -> Driver:
        driver: Driver = found(Driver.objects.live().visible_to(self.actor), pk)
        return driver

    @extend_schema(operation_id="get_driver")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a driver."""
        return with_etag(request, self.represent(self._driver(pk)), DriverBody)

    @extend_schema(operation_id="replace_driver", request=DriverBody)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace what can be written of a driver; what is left out goes back to its default."""
        driver = self._driver(pk)
        values = self.replacement(DriverBody, self.represent(driver))
        values = with_defaults(values, Driver, OPTIONAL)
        return self._changed(driver, values, whole=True)

    @extend_schema(operation_id="change_driver", request=DriverBody)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change some fields of a driver. `status: blocked` refuses all tokens, to `blocked_until` if given."""
        values = self.body(DriverBody, partial=True)
        return self._changed(self._driver(pk), values)

    def _changed(self, driver: Driver, values: dict[str, Any], *, whole: bool = False) -> Response:
        _stored(values, lambda rest: drivers.update(driver, rest, by=self.actor), self.actor, whole=whole)
        return Response(self.represent(self._driver(driver.pk)))

    @extend_schema(operation_id="retire_driver", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """End a driver and all of their tokens; sessions keep what they say of them."""
        drivers.retire(self._driver(pk), by=self.actor)
        return Response(status=204)


def _stored(
    values: dict[str, Any], save: Callable[[dict[str, Any]], Driver], by: Actor, *, whole: bool = False
) -> Driver:
    payer = {name: values.pop(name) for name in FIELDS if name in values}
    with atomic():
        driver = written(values, save, by, whole=whole)
        keep_payer(driver, payer, by=by)
    return driver


class DriverGroupBody(WithSites, StrictSerializer):
    name = serializers.CharField(max_length=100)


class DriverGroupView(serializers.Serializer):
    name = serializers.CharField()
    id = serializers.UUIDField()
    sites = SitesShown()
    created_at = serializers.DateTimeField()


class DriverGroupFilter(filters.FilterSet):
    search = filters.CharFilter(field_name="name", lookup_expr="icontains")

    class Meta:
        model = DriverGroup
        fields = ["name"]


class DriverGroupList(ListResource):
    """Groups of drivers, for what is granted to all of them."""

    scopes = GROUP_SCOPES
    serializer_class = DriverGroupView
    filter_class = filterset_class = DriverGroupFilter
    ordering_fields: ClassVar[tuple[str, ...]] = ("id", "name", "created_at")

    def rows(self) -> QuerySet[DriverGroup]:
        return DriverGroup.objects.live().visible_to(self.actor).prefetch_related("site_permissions")

    @extend_schema(operation_id="list_driver_groups", responses=DriverGroupView(many=True))
    def get(self, request: Request) -> Any:
        """List the groups of drivers."""
        return self.listing()

    @extend_schema(
        operation_id="create_driver_group", request=DriverGroupBody, responses={201: DriverGroupView}
    )
    def post(self, request: Request) -> Response:
        """Create a group of drivers."""
        return self.once(self._create)

    def _create(self) -> Response:
        group = written(
            self.body(DriverGroupBody), lambda rest: drivers.create_group(**rest, by=self.actor), self.actor
        )
        location = f"/api/v1/driver-groups/{group.pk}/"
        return Response(self.represent(group), status=201, headers={"Location": location})


class DriverGroupDetail(Resource):
    """One group of drivers."""

    scopes = GROUP_SCOPES
    serializer_class = DriverGroupView

    def _group(self, pk: UUID) -> DriverGroup:
        group: DriverGroup = found(DriverGroup.objects.live().visible_to(self.actor), pk)
        return group

    @extend_schema(operation_id="get_driver_group")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a group of drivers."""
        return with_etag(request, self.represent(self._group(pk)))

    @extend_schema(operation_id="replace_driver_group", request=DriverGroupBody)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace what can be written of a group of drivers: its name."""
        group = self._group(pk)
        values = self.replacement(DriverGroupBody, self.represent(group))
        return self._changed(group, values, whole=True)

    @extend_schema(operation_id="change_driver_group", request=DriverGroupBody)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Rename a group of drivers."""
        group = self._group(pk)
        values = {"name": group.name, **self.body(DriverGroupBody, partial=True)}
        return self._changed(group, values)

    def _changed(self, group: DriverGroup, values: dict[str, Any], *, whole: bool = False) -> Response:
        written(
            values, lambda rest: drivers.rename_group(group, **rest, by=self.actor), self.actor, whole=whole
        )
        return Response(self.represent(group))

    @extend_schema(operation_id="retire_driver_group", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """End a group of drivers: its drivers stay and are in no group, its name is free again."""
        drivers.retire_group(self._group(pk), by=self.actor)
        return Response(status=204)
