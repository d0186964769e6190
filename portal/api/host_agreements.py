"""``/host-agreements/``: who gets a share of the sessions at a site or a station (billing B-53)."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BillingAccount, HostAgreement
from billing.services import hosts
from billing.services.hosts import Terms
from portal.api.amounts import Amount, Sum
from portal.api.fields import OwnRow
from portal.api.home_agreements import AgreementEndBody, SupplyBody, supply_of
from portal.api.resource import ListResource, Resource, found, with_etag
from portal.api.searching import Search
from stations.models import ChargingStation, Site

NOTHING = Decimal(0)


class HostAgreementBody(SupplyBody):
    """Of a site or of one station; a session gives ``percent``, ``per_kwh`` and ``per_session`` together."""

    account = OwnRow(BillingAccount.objects, help_text="Who gets it")
    site = OwnRow(Site.objects, required=False, allow_null=True, default=None)
    station = OwnRow(ChargingStation.objects, required=False, allow_null=True, default=None)
    percent = serializers.DecimalField(
        7, 4, required=False, default=NOTHING, help_text="Of the amount without VAT"
    )
    per_kwh = serializers.DecimalField(12, 6, required=False, default=NOTHING)
    per_session = Sum(required=False, default=NOTHING)
    minimum = Sum(required=False, default=NOTHING, help_text="At least that, of each session")
    currency = serializers.CharField(
        min_length=3, max_length=3, help_text="Records in another are not shared"
    )
    valid_from = serializers.DateField()
    valid_to = serializers.DateField(required=False, allow_null=True, default=None, help_text="The last day")

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if (values["site"] is None) == (values["station"] is None):
            raise serializers.ValidationError({"site": "Name a site or a station."})
        return values


class HostAgreementView(serializers.Serializer):
    id = serializers.UUIDField()
    account = serializers.UUIDField(source="account_id")
    site = serializers.UUIDField(source="site_id", allow_null=True)
    station = serializers.UUIDField(source="station_id", allow_null=True)
    percent = serializers.DecimalField(7, 4)
    per_kwh = serializers.DecimalField(12, 6)
    per_session = Amount()
    minimum = Amount()
    currency = serializers.CharField()
    valid_from = serializers.DateField()
    valid_to = serializers.DateField(allow_null=True)
    made_at = serializers.DateTimeField()
    made_by = serializers.CharField()


class HostAgreementFilter(filters.FilterSet):
    account = filters.UUIDFilter(field_name="account_id")
    site = filters.UUIDFilter(field_name="site_id")
    station = filters.UUIDFilter(field_name="station_id")
    search = Search("account__name", "site__name", "station__identity")

    class Meta:
        model = HostAgreement
        fields: list[str] = []


class HostAgreementList(ListResource):
    """Agreements with hosts."""

    scopes = {"read": "billing-accounts:read", "write": "billing-accounts:write"}
    serializer_class = HostAgreementView
    filter_class = filterset_class = HostAgreementFilter

    def rows(self) -> QuerySet[HostAgreement]:
        return HostAgreement.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_host_agreements", responses=HostAgreementView(many=True))
    def get(self, request: Request) -> Any:
        """List the agreements, newest first, ended ones included."""
        return self.listing()

    @extend_schema(
        operation_id="make_host_agreement", request=HostAgreementBody, responses={201: HostAgreementView}
    )
    def post(self, request: Request) -> Response:
        """Let an account get a share of each session there. All shares together are at most the session's amount."""
        return self.once(self._make)

    def _make(self) -> Response:
        values = self.body(HostAgreementBody)
        supply = supply_of(values)
        account, site, station = (values.pop(name) for name in ("account", "site", "station"))
        made = hosts.agree(account, site or station, Terms(**values), supply=supply, by=self.actor)
        place = {"Location": f"/api/v1/host-agreements/{made.pk}/"}
        return Response(self.represent(made), status=201, headers=place)


class OneHostAgreement(Resource):
    serializer_class = HostAgreementView

    def agreement(self, pk: UUID) -> HostAgreement:
        one: HostAgreement = found(HostAgreement.objects.visible_to(self.actor), pk)
        return one


class HostAgreementDetail(OneHostAgreement):
    """One agreement."""

    scopes = {"read": "billing-accounts:read"}

    @extend_schema(operation_id="get_host_agreement")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read an agreement."""
        return with_etag(request, self.represent(self.agreement(pk)))


class HostAgreementEnd(OneHostAgreement):
    """An agreement ends."""

    scopes = {"write": "billing-accounts:write"}

    @extend_schema(
        operation_id="end_host_agreement", request=AgreementEndBody, responses={200: HostAgreementView}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Let it hold to a day and no longer; earlier sessions are shared as agreed."""
        return self.once(lambda: self._end(pk))

    def _end(self, pk: UUID) -> Response:
        agreement = self.agreement(pk)
        day = self.body(AgreementEndBody)["valid_to"]
        return Response(self.represent(hosts.end(agreement, day, by=self.actor)))
