"""``/billing-accounts/``: who pays, and what documents say of the payer (billing BG-7 in B-57)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from django.db.transaction import atomic
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import AccountKind, BillingAccount, Buyer
from billing.services import accounts, parties
from core.models import Organization
from portal.api.amounts import Sum
from portal.api.resource import ListResource, Resource, StrictSerializer, found, require_match, with_etag


class BuyerChange(StrictSerializer):
    """An empty text takes the value away; what is not known then comes from the driver."""

    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    street = serializers.CharField(max_length=200, required=False, allow_blank=True)
    postal_code = serializers.CharField(max_length=20, required=False, allow_blank=True)
    city = serializers.CharField(max_length=100, required=False, allow_blank=True)
    country = serializers.CharField(max_length=3, required=False, allow_blank=True, help_text="ISO 3166-1")
    vat_id = serializers.CharField(
        max_length=30, required=False, allow_blank=True, help_text="Its check digits are looked at"
    )
    email = serializers.EmailField(required=False, allow_blank=True)
    reseller = serializers.BooleanField(required=False, help_text="Buys electricity to sell it on (B-26)")
    reference = serializers.CharField(max_length=100, required=False, allow_blank=True, help_text="BT-10")
    language = serializers.CharField(max_length=2, required=False, allow_blank=True)
    by_cost_centre = serializers.BooleanField(
        required=False, help_text="Its invoices are grouped by cost centre, with a sum for each (B-18)"
    )
    staff = serializers.BooleanField(required=False, help_text="Its sessions are not billed (B-13)")
    minimum_amount = Sum(
        required=False, help_text="A month of less waits for the next ones of the year (B-21)"
    )


class NewAccountBody(StrictSerializer):
    name = serializers.CharField(max_length=accounts.LONGEST_NAME)
    time_zone = serializers.CharField(
        max_length=64, required=False, default="", help_text="The organization's, where not given"
    )


class BuyerView(serializers.Serializer):
    name = serializers.CharField()
    street = serializers.CharField()
    postal_code = serializers.CharField()
    city = serializers.CharField()
    country = serializers.CharField()
    vat_id = serializers.CharField()
    vat_id_checked_on = serializers.DateField(allow_null=True)
    email = serializers.CharField()
    reseller = serializers.BooleanField()
    reference = serializers.CharField()
    language = serializers.CharField()
    by_cost_centre = serializers.BooleanField()
    staff = serializers.BooleanField()
    minimum_amount = serializers.DecimalField(19, 4)


class BillingAccountView(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(AccountKind.choices)
    name = serializers.CharField()
    driver = serializers.UUIDField(source="driver_id", allow_null=True)
    time_zone = serializers.CharField(help_text="Decides to which month a session belongs")
    created_at = serializers.DateTimeField()


class BillingAccountDetailView(BillingAccountView):
    buyer = BuyerView(help_text="What documents say of the payer")


class BillingAccountFilter(filters.FilterSet):
    driver = filters.UUIDFilter(field_name="driver_id")
    search = filters.CharFilter(field_name="name", lookup_expr="icontains")

    class Meta:
        model = BillingAccount
        fields = ["kind"]


class BillingAccountList(ListResource):
    """Who pays."""

    scopes = {"read": "billing-accounts:read", "write": "billing-accounts:write"}
    serializer_class = BillingAccountView
    filter_class = filterset_class = BillingAccountFilter

    def rows(self) -> QuerySet[BillingAccount]:
        return BillingAccount.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_billing_accounts", responses=BillingAccountView(many=True))
    def get(self, request: Request) -> Any:
        """List the accounts, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="open_billing_account", request=NewAccountBody, responses={201: BillingAccountView}
    )
    def post(self, request: Request) -> Response:
        """Open the account of a company. Drivers get theirs with the first session that is billed."""
        return self.once(self._open)

    def _open(self) -> Response:
        organization = Organization.objects.get(pk=self.actor.home)
        made = accounts.open_company(organization, **self.body(NewAccountBody), by=self.actor)
        place = {"Location": f"/api/v1/billing-accounts/{made.pk}/"}
        return Response(self.represent(made), status=201, headers=place)


class BillingAccountDetail(Resource):
    """One payer."""

    scopes = {"read": "billing-accounts:read", "write": "billing-accounts:write"}
    serializer_class = BillingAccountDetailView

    @extend_schema(operation_id="get_billing_account")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read an account and what its documents say of the payer."""
        return with_etag(request, self._shown(self._account(pk)))

    @extend_schema(operation_id="change_billing_account", request=BuyerChange)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change what documents say of the payer. Issued documents stay as they are."""
        values = self.body(BuyerChange, partial=True)
        with atomic():
            account = self._account(pk)
            BillingAccount.objects.select_for_update().get(pk=account.pk)
            require_match(request, self._shown(account))
            parties.save_buyer(account, values, by=self.actor)
        return with_etag(request, self._shown(self._account(pk)))

    def _account(self, pk: UUID) -> BillingAccount:
        account: BillingAccount = found(BillingAccount.objects.visible_to(self.actor), pk)
        return account

    def _shown(self, account: BillingAccount) -> Any:
        known = Buyer.objects.filter(pk=account.pk).first()
        account.buyer = known or Buyer(account=account, name=account.name)
        return self.represent(account)
