"""``/mandates/``: payers' permissions to collect by SEPA direct debit (billing B-43)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BillingAccount, Mandate, MandateState, MandateType
from billing.services.payments import debits
from core.errors import Conflict
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search


class MandateBody(StrictSerializer):
    account = OwnRow(BillingAccount.objects)
    iban = serializers.CharField(max_length=42, help_text="Kept sealed; only its end is shown")
    holder = serializers.CharField(max_length=70)
    signed_on = serializers.DateField()
    type = serializers.ChoiceField(MandateType.choices, required=False, default=MandateType.CORE)


class MandateView(serializers.Serializer):
    id = serializers.UUIDField()
    account = serializers.UUIDField(source="account_id")
    reference = serializers.CharField()
    type = serializers.ChoiceField(MandateType.choices)
    holder = serializers.CharField()
    iban_end = serializers.CharField()
    signed_on = serializers.DateField()
    status = serializers.ChoiceField(MandateState.choices, source="state")
    stopped_because = serializers.CharField()
    last_used_on = serializers.DateField(allow_null=True)
    expires_on = serializers.DateField(
        help_text="From this day on it was not used for 36 months, and nothing is collected by it"
    )


class MandateFilter(filters.FilterSet):
    account = filters.UUIDFilter(field_name="account_id")
    status = filters.ChoiceFilter(field_name="state", choices=MandateState.choices)
    search = Search("reference", "holder")

    class Meta:
        model = Mandate
        fields = ["reference"]


class MandateList(ListResource):
    """Permissions to collect."""

    scopes = {"read": "mandates:read", "write": "mandates:write"}
    serializer_class = MandateView
    filter_class = filterset_class = MandateFilter

    def rows(self) -> QuerySet[Mandate]:
        return Mandate.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_mandates", responses=MandateView(many=True))
    def get(self, request: Request) -> Any:
        """List the mandates, newest first."""
        return self.listing()

    @extend_schema(operation_id="sign_mandate", request=MandateBody, responses={201: MandateView})
    def post(self, request: Request) -> Response:
        """Keep a mandate; one of the account that was active is stopped."""
        return self.once(self._sign)

    def _sign(self) -> Response:
        values = self.body(MandateBody)
        made = debits.sign(
            values["account"], iban=values["iban"], holder=values["holder"],
            signed_on=values["signed_on"], type_=MandateType(values["type"]), by=self.actor,
        )  # fmt: skip
        place = {"Location": f"/api/v1/mandates/{made.pk}/"}
        return Response(self.represent(made), status=201, headers=place)


class MandateDetail(Resource):
    """One mandate."""

    scopes = {"read": "mandates:read", "write": "mandates:write"}
    serializer_class = MandateView

    @extend_schema(operation_id="get_mandate")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a mandate."""
        return with_etag(request, self.represent(self._mandate(pk)))

    @extend_schema(operation_id="stop_mandate", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Collect no more by it; it stays in the books."""
        mandate = self._mandate(pk)
        if mandate.state != MandateState.ACTIVE:
            raise Conflict("This mandate is stopped already.")
        debits.stop(mandate, because="stopped", by=self.actor)
        return Response(status=204)

    def _mandate(self, pk: UUID) -> Mandate:
        mandate: Mandate = found(Mandate.objects.visible_to(self.actor), pk)
        return mandate
