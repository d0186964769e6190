"""``/home-agreements/``: employees who are paid for charging at home (billing B-52)."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BillingAccount, HomeAgreement, SupplyTax
from billing.services import home_agreements
from billing.services.home_agreements import Terms
from billing.services.suppliers import Supply
from core.models import Organization
from drivers.models import Driver
from portal.api.amounts import Rate
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, require_match, with_etag
from portal.api.searching import Search
from stations.models import ChargingStation


class SupplyBody(StrictSerializer):
    """How what is paid is taxed, as the one who is paid states it; needed where nothing was stated before."""

    tax = serializers.ChoiceField(
        SupplyTax.choices, required=False, help_text="Of who is paid; kept for the next agreements"
    )
    tax_rate = serializers.DecimalField(
        7, 4, required=False, default=Decimal(0), help_text="Percent, with `standard` only"
    )
    tax_number = serializers.CharField(max_length=30, required=False, allow_blank=True, default="")


class HomeAgreementBody(SupplyBody):
    driver = OwnRow(Driver.objects)
    station = OwnRow(ChargingStation.objects)
    rate_per_kwh = serializers.DecimalField(12, 6, help_text="Without VAT")
    currency = serializers.CharField(min_length=3, max_length=3)
    valid_from = serializers.DateField()
    valid_to = serializers.DateField(required=False, allow_null=True, default=None, help_text="The last day")
    employer = OwnRow(
        BillingAccount.objects,
        required=False,
        allow_null=True,
        default=None,
        help_text="A company's account that pays it; `null`: the organization itself",
    )
    employer_vat_rate = serializers.DecimalField(
        7, 4, required=False, allow_null=True, default=None, help_text="Percent that the employer is charged"
    )
    meter_serial = serializers.CharField(
        max_length=50, required=False, allow_blank=True, default="", help_text="Of the charger's MID meter"
    )


class AgreementEndBody(StrictSerializer):
    valid_to = serializers.DateField(help_text="The last day, today or later")


class HomeAgreementView(serializers.Serializer):
    id = serializers.UUIDField()
    driver = serializers.UUIDField(source="driver_id")
    station = serializers.UUIDField(source="station_id")
    employer = serializers.UUIDField(source="employer_id", allow_null=True)
    rate_per_kwh = serializers.DecimalField(12, 6)
    currency = serializers.CharField()
    employer_vat_rate = Rate(source="vat_rate", allow_null=True)
    meter_serial = serializers.CharField()
    valid_from = serializers.DateField()
    valid_to = serializers.DateField(allow_null=True)
    made_at = serializers.DateTimeField()
    made_by = serializers.CharField()


class HomeAgreementFilter(filters.FilterSet):
    driver = filters.UUIDFilter(field_name="driver_id")
    station = filters.UUIDFilter(field_name="station_id")
    employer = filters.UUIDFilter(field_name="employer_id")
    search = Search("driver__name", "station__identity", "meter_serial")

    class Meta:
        model = HomeAgreement
        fields: list[str] = []


class HomeAgreementList(ListResource):
    """Agreements on charging at home."""

    scopes = {"read": "billing-accounts:read", "write": "billing-accounts:write"}
    serializer_class = HomeAgreementView
    filter_class = filterset_class = HomeAgreementFilter

    def rows(self) -> QuerySet[HomeAgreement]:
        return HomeAgreement.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_home_agreements", responses=HomeAgreementView(many=True))
    def get(self, request: Request) -> Any:
        """List the agreements, newest first, ended ones included."""
        return self.listing()

    @extend_schema(
        operation_id="make_home_agreement", request=HomeAgreementBody, responses={201: HomeAgreementView}
    )
    def post(self, request: Request) -> Response:
        """Pay a driver for what own tokens charge at a charger at home. For a new rate end it and make another."""
        return self.once(self._make)

    def _make(self) -> Response:
        values = self.body(HomeAgreementBody)
        supply = supply_of(values)
        driver, station = values.pop("driver"), values.pop("station")
        terms = Terms(vat_rate=values.pop("employer_vat_rate"), **values)
        made = home_agreements.agree(driver, station, terms, supply=supply, by=self.actor)
        place = {"Location": f"/api/v1/home-agreements/{made.pk}/"}
        return Response(self.represent(made), status=201, headers=place)


class OneHomeAgreement(Resource):
    serializer_class = HomeAgreementView

    def agreement(self, pk: UUID) -> HomeAgreement:
        one: HomeAgreement = found(HomeAgreement.objects.visible_to(self.actor), pk)
        return one


class HomeAgreementDetail(OneHomeAgreement):
    """One agreement."""

    scopes = {"read": "billing-accounts:read"}

    @extend_schema(operation_id="get_home_agreement")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read an agreement."""
        return with_etag(request, self.represent(self.agreement(pk)))


class HomeAgreementEnd(OneHomeAgreement):
    """An agreement ends."""

    scopes = {"write": "billing-accounts:write"}

    @extend_schema(
        operation_id="end_home_agreement", request=AgreementEndBody, responses={200: HomeAgreementView}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Let it hold to a day and no longer; earlier sessions are paid as agreed."""
        return self.once(lambda: self._end(pk))

    def _end(self, pk: UUID) -> Response:
        agreement = self.agreement(pk)
        day = self.body(AgreementEndBody)["valid_to"]
        return Response(self.represent(home_agreements.end(agreement, day, by=self.actor)))


class HomeChargingChange(StrictSerializer):
    mid_required = serializers.BooleanField(help_text="Only chargers with a meter that MID approves")


class HomeChargingView(serializers.Serializer):
    mid_required = serializers.BooleanField()


class HomeChargingSettings(Resource):
    """What is asked of chargers at home."""

    scopes = {"read": "organization:read", "write": "organization:write"}
    serializer_class = HomeChargingView

    @extend_schema(operation_id="get_home_charging")
    def get(self, request: Request) -> Response:
        """Read the policy."""
        return with_etag(request, self._shown(), HomeChargingChange)

    @extend_schema(operation_id="change_home_charging", request=HomeChargingChange)
    def patch(self, request: Request) -> Response:
        """Change the policy for agreements and sessions from now on."""
        wanted = self.body(HomeChargingChange)
        require_match(request, self._shown(), HomeChargingChange)
        organization = Organization.objects.get(pk=self.actor.home)
        home_agreements.require_mid(organization, wanted["mid_required"], by=self.actor)
        return with_etag(request, self._shown(), HomeChargingChange)

    def _shown(self) -> Any:
        return self.represent({"mid_required": home_agreements.mid_required(self.actor.home)})


def supply_of(values: dict[str, Any]) -> Supply | None:
    """What the body states of taxes, taken out of it; ``None`` where it states nothing."""
    tax, rate, number = values.pop("tax", None), values.pop("tax_rate"), values.pop("tax_number")
    return None if tax is None else Supply(tax=tax, vat_rate=rate, tax_number=number)
