"""``/cdrs/``: sealed records of sessions and unused reservations, and their credits (billing B-04, B-10)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BillingAccount, Cdr
from billing.services import crediting, payers
from portal.api.amounts import Amount
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search


class CdrCreditBody(StrictSerializer):
    reason = serializers.CharField(max_length=500)


class CdrPayerBody(StrictSerializer):
    account = OwnRow(BillingAccount.objects)
    reason = serializers.CharField(max_length=500)


class CdrView(serializers.Serializer):
    id = serializers.UUIDField()
    reference = serializers.CharField(help_text="Its id in OCPI")
    transaction = serializers.UUIDField(source="transaction_id", allow_null=True)
    reservation = serializers.UUIDField(
        source="reservation_id", allow_null=True, help_text="Where no session used it, and it costs something"
    )
    site = serializers.UUIDField(source="site_id", allow_null=True)
    account = serializers.UUIDField(source="account_id", allow_null=True)
    credit = serializers.BooleanField()
    credit_of = serializers.UUIDField(source="credit_reference_id", allow_null=True)
    replaces = serializers.UUIDField(source="replaces_id", allow_null=True)
    home_charging_compensation = serializers.BooleanField(
        help_text="Home charging: the amount is what the driver is paid, and no consumption of the driver's"
    )
    home_agreement = serializers.UUIDField(source="home_agreement_id", allow_null=True)
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()
    energy_kwh = serializers.DecimalField(16, 6)
    currency = serializers.CharField()
    basis = serializers.ChoiceField(["gross", "net"])
    total_excl_vat = serializers.DecimalField(
        19, 4, allow_null=True, help_text="`null` where a tax is not known"
    )
    total_incl_vat = serializers.DecimalField(19, 4, allow_null=True)
    payable_excl_vat = Amount(allow_null=True, help_text="Whole minor units")
    payable_vat = Amount(allow_null=True)
    payable_incl_vat = Amount(allow_null=True)
    digest = serializers.CharField(help_text="SHA-256 of the content as canonical JSON")
    sealed_at = serializers.DateTimeField()


class CdrFilter(filters.FilterSet):
    transaction = filters.UUIDFilter(field_name="transaction_id")
    reservation = filters.UUIDFilter(field_name="reservation_id")
    account = filters.UUIDFilter(field_name="account_id")
    site = filters.UUIDFilter(field_name="site_id")
    home_charging_compensation = filters.BooleanFilter(
        field_name="home_agreement", lookup_expr="isnull", exclude=True
    )
    no_account = filters.BooleanFilter(field_name="account", lookup_expr="isnull")
    ended_after = filters.IsoDateTimeFilter(field_name="ended_at", lookup_expr="gte")
    ended_before = filters.IsoDateTimeFilter(field_name="ended_at", lookup_expr="lt")
    search = Search("reference")

    class Meta:
        model = Cdr
        fields = ["reference", "credit", "currency"]


class CdrList(ListResource):
    """Charge detail records."""

    scopes = {"read": "cdrs:read"}
    serializer_class = CdrView
    filter_class = filterset_class = CdrFilter

    def rows(self) -> QuerySet[Cdr]:
        return Cdr.objects.visible_to(self.actor).defer("content")

    @extend_schema(operation_id="list_cdrs", responses=CdrView(many=True))
    def get(self, request: Request) -> Any:
        """List the records, newest first."""
        return self.listing()


class CdrDetail(Resource):
    """One record."""

    scopes = {"read": "cdrs:read"}
    serializer_class = CdrView

    @extend_schema(operation_id="get_cdr")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a record."""
        return with_etag(request, self.represent(found(Cdr.objects.visible_to(self.actor), pk)))


class CdrCredit(Resource):
    """A record is taken back."""

    scopes = {"write": "cdrs:write"}
    serializer_class = CdrView

    @extend_schema(operation_id="credit_cdr", request=CdrCreditBody, responses={201: CdrView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Take a record back by another one with negated amounts; the answer is that credit.

        Where an issued invoice asks for it, a credit note of that invoice takes it back there.
        """
        return self.once(lambda: self._credit(pk))

    def _credit(self, pk: UUID) -> Response:
        record: Cdr = found(Cdr.objects.visible_to(self.actor), pk)
        made = crediting.credit_record(record, by=self.actor, reason=self.body(CdrCreditBody)["reason"])
        place = {"Location": f"/api/v1/cdrs/{made.pk}/"}
        return Response(self.represent(made), status=201, headers=place)


class CdrPayer(Resource):
    """A record gets its payer."""

    scopes = {"write": "cdrs:write"}
    serializer_class = CdrView

    @extend_schema(operation_id="give_cdr_payer", request=CdrPayerBody, responses={201: CdrView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Say who pays a record that has no account: it is taken back, the answer is the one in its place."""
        return self.once(lambda: self._give(pk))

    def _give(self, pk: UUID) -> Response:
        record: Cdr = found(Cdr.objects.visible_to(self.actor), pk)
        values = self.body(CdrPayerBody)
        made = payers.give(record, values["account"], reason=values["reason"], by=self.actor)
        place = {"Location": f"/api/v1/cdrs/{made.pk}/"}
        return Response(self.represent(made), status=201, headers=place)
