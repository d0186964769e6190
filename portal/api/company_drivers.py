"""``/billing-accounts/{id}/drivers/``: drivers for whom a company pays, with their cost centres (billing B-18)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BillingAccount, CompanyMember
from billing.services import companies
from core.errors import NotFound
from drivers.models import Driver
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found
from portal.api.searching import Search

SCOPES = {"read": "billing-accounts:read", "write": "billing-accounts:write"}


class CompanyDriverBody(StrictSerializer):
    driver = OwnRow(Driver.objects.live())
    cost_centre = serializers.CharField(
        max_length=companies.LONGEST, required=False, allow_blank=True, default="",
        help_text="The company's own name of where it books what the driver charges",
    )  # fmt: skip


class CompanyDriverView(serializers.Serializer):
    driver = serializers.UUIDField(source="driver_id")
    name = serializers.CharField(source="driver.name")
    cost_centre = serializers.CharField()
    since = serializers.DateTimeField(help_text="Sessions that began from then on are the company's")


class CompanyDriverFilter(filters.FilterSet):
    driver = filters.UUIDFilter(field_name="driver_id")
    search = Search("driver__name", "cost_centre")

    class Meta:
        model = CompanyMember
        fields = ["cost_centre"]


class CompanyDriverList(ListResource):
    """Drivers for whom a company pays."""

    scopes = SCOPES
    serializer_class = CompanyDriverView
    filter_class = filterset_class = CompanyDriverFilter

    def rows(self) -> QuerySet[CompanyMember]:
        rows = CompanyMember.objects.visible_to(self.actor).present()
        return rows.filter(account=self._account()).select_related("driver")

    @extend_schema(operation_id="list_company_drivers", responses=CompanyDriverView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the drivers for whom the company pays now, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="add_company_driver", request=CompanyDriverBody, responses={201: CompanyDriverView}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Let the company pay for what a driver begins to charge from now on; another cost centre takes the place.

        All of its drivers are on one invoice a month; with `by_cost_centre` of the account it has a sum for each.
        """
        return self.once(self._join)

    def _join(self) -> Response:
        made = companies.join(self._account(), **self.body(CompanyDriverBody), by=self.actor)
        return Response(self.represent(made), status=201)

    def _account(self) -> BillingAccount:
        return _account(self)


class CompanyDriverDetail(Resource):
    """One driver for whom a company pays."""

    scopes = SCOPES
    serializer_class = CompanyDriverView

    @extend_schema(operation_id="remove_company_driver", responses={204: None})
    def delete(self, request: Request, pk: UUID, driver: UUID) -> Response:
        """Let the driver pay for what begins from now on; what began before stays the company's."""
        rows = CompanyMember.objects.visible_to(self.actor).present().filter(account=_account(self))
        member = rows.filter(driver=driver).select_related("account", "driver").first()
        if member is None:
            raise NotFound("There is no such object here.")
        companies.leave(member.account, member.driver, by=self.actor)
        return Response(status=204)


def _account(view: Resource) -> BillingAccount:
    account: BillingAccount = found(BillingAccount.objects.visible_to(view.actor), view.kwargs["pk"])
    return account
