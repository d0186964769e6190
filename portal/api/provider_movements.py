"""``/provider-movements/``: the provider's account beside our payments, and what differs (billing B-42)."""

from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import Difference, Movement, ProviderMovement
from billing.services.payments import comparing
from portal.api.amounts import Amount
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search


class ProviderMovementView(serializers.Serializer):
    id = serializers.UUIDField()
    reference = serializers.CharField(help_text="The provider's name of the booking; of a `missing` one ours")
    kind = serializers.ChoiceField(Movement.choices)
    amount = Amount(help_text="Negative: money that went out; before the fee")
    fee = Amount()
    currency = serializers.CharField()
    booked_at = serializers.DateTimeField(source="at")
    text = serializers.CharField()
    payment = serializers.UUIDField(source="payment_id", allow_null=True)
    refund = serializers.UUIDField(source="refund_id", allow_null=True)
    difference = serializers.ChoiceField(Difference.choices, allow_blank=True, help_text="Empty: both agree")
    note = serializers.CharField()
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField(allow_null=True)


class ExplanationBody(StrictSerializer):
    note = serializers.CharField(max_length=300)


class ProviderMovementFilter(filters.FilterSet):
    open = filters.BooleanFilter(method="only_open", help_text="Differences that nobody has explained")
    difference = filters.ChoiceFilter(choices=Difference.choices)
    kind = filters.ChoiceFilter(choices=Movement.choices)
    search = Search("reference", "about", "text")

    class Meta:
        model = ProviderMovement
        fields = ["payment"]

    def only_open(
        self, rows: QuerySet[ProviderMovement], _name: str, wanted: bool
    ) -> QuerySet[ProviderMovement]:
        waiting = ProviderMovement.objects.open().values("pk")
        return rows.filter(pk__in=waiting) if wanted else rows.exclude(pk__in=waiting)


class ProviderMovementList(ListResource):
    """Bookings on the organization's account at the provider."""

    scopes = {"read": "payments:read"}
    serializer_class = ProviderMovementView
    filter_class = filterset_class = ProviderMovementFilter

    def rows(self) -> QuerySet[ProviderMovement]:
        return ProviderMovement.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_provider_movements", responses=ProviderMovementView(many=True))
    def get(self, request: Request) -> Response:
        """List the bookings, last taken in first; `?open=true` are the differences that wait for a person."""
        return self.listing()


class OneMovement(Resource):
    serializer_class = ProviderMovementView

    def movement(self, pk: UUID) -> ProviderMovement:
        one: ProviderMovement = found(ProviderMovement.objects.visible_to(self.actor), pk)
        return one


class ProviderMovementDetail(OneMovement):
    """One booking."""

    scopes = {"read": "payments:read"}

    @extend_schema(operation_id="get_provider_movement")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a booking."""
        return with_etag(request, self.represent(self.movement(pk)))


class ProviderMovementExplanation(OneMovement):
    """A difference is explained."""

    scopes = {"write": "payments:write"}

    @extend_schema(
        operation_id="explain_provider_movement",
        request=ExplanationBody,
        responses={200: ProviderMovementView},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Say what a difference is; 409 where there is none or it is explained."""
        return self.once(lambda: self._explain(pk))

    def _explain(self, pk: UUID) -> Response:
        row, note = self.movement(pk), self.body(ExplanationBody)["note"]
        return Response(self.represent(comparing.explain(row, note, by=self.actor)))
