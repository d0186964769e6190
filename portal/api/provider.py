"""``/organization/payment-provider/`` and ``/payment-methods/``: who takes cards, and what it keeps (B-36)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import ProviderKind, ProviderSettings, SavedMethod
from billing.services.payments import asking, provider_settings
from core.models import Organization
from portal.api.amounts import Sum
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search


class ProviderChange(StrictSerializer):
    key = serializers.CharField(max_length=300, required=False, write_only=True, help_text="Never shown")
    webhook_secret = serializers.CharField(
        max_length=300, required=False, write_only=True, help_text="Never shown"
    )
    hold_amount = Sum(required=False, help_text="Set aside for a session without an account")


class ProviderView(serializers.Serializer):
    kind = serializers.ChoiceField(ProviderKind.choices, allow_null=True)
    configured = serializers.BooleanField(help_text="Without one, invoices and transfers work all the same")
    hold_amount = serializers.DecimalField(19, 2)
    changed_at = serializers.DateTimeField(allow_null=True)


class ProviderAnswer(serializers.Serializer):
    answer = serializers.CharField(help_text="What the provider says of itself")


class SavedMethodView(serializers.Serializer):
    id = serializers.UUIDField()
    account = serializers.UUIDField(source="account_id")
    provider = serializers.ChoiceField(ProviderKind.choices)
    label = serializers.CharField(help_text="Brand and last four digits")
    created_at = serializers.DateTimeField()


class SavedMethodFilter(filters.FilterSet):
    account = filters.UUIDFilter(field_name="account_id")
    search = Search("label")

    class Meta:
        model = SavedMethod
        fields = ["provider"]


class ProviderDetail(Resource):
    """Who takes cards for the organization."""

    scopes = {"read": "organization:read", "write": "organization:write"}
    serializer_class = ProviderView

    @extend_schema(operation_id="get_payment_provider")
    def get(self, request: Request) -> Response:
        """Read which provider is set up; its keys are never shown."""
        return with_etag(request, self._shown())

    @extend_schema(operation_id="change_payment_provider", request=ProviderChange)
    def patch(self, request: Request) -> Response:
        """Keep keys of Stripe, or another hold. Both keys are needed at first; what is left out stays."""
        values = self.body(ProviderChange, partial=True)
        known = ProviderSettings.objects.filter(pk=self.actor.home).first() or ProviderSettings()
        provider_settings.save(
            Organization.objects.get(pk=self.actor.home), key=values.get("key", ""),
            webhook_secret=values.get("webhook_secret", ""),
            hold_amount=values.get("hold_amount", known.hold_amount), by=self.actor,
        )  # fmt: skip
        return Response(self._shown())

    @extend_schema(operation_id="forget_payment_provider", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Take cards no more; the keys are gone. Invoices and transfers go on."""
        provider_settings.forget(Organization.objects.get(pk=self.actor.home), by=self.actor)
        return Response(status=204)

    def _shown(self) -> Any:
        row = ProviderSettings.objects.filter(pk=self.actor.home).first()
        return self.represent(
            {
                "kind": row.kind if row else None,
                "configured": row is not None,
                "hold_amount": row.hold_amount if row else ProviderSettings().hold_amount,
                "changed_at": row.changed_at if row else None,
            }
        )


class ProviderTest(Resource):
    """A harmless question to the provider."""

    scopes = {"write": "organization:write"}
    serializer_class = ProviderAnswer

    @extend_schema(operation_id="test_payment_provider", request=None, responses={200: ProviderAnswer})
    def post(self, request: Request) -> Response:
        """Ask the provider something harmless; 409 tells why it refuses or does not answer."""
        return self.once(self._test, apart=True)

    def _test(self) -> Response:
        answer = provider_settings.test(Organization.objects.get(pk=self.actor.home), by=self.actor)
        return Response(self.represent({"answer": answer}))


class SavedMethodList(ListResource):
    """Cards that the provider keeps for payers."""

    scopes = {"read": "payment-methods:read"}
    serializer_class = SavedMethodView
    filter_class = filterset_class = SavedMethodFilter

    def rows(self) -> QuerySet[SavedMethod]:
        return SavedMethod.objects.visible_to(self.actor).live()

    @extend_schema(operation_id="list_payment_methods", responses=SavedMethodView(many=True))
    def get(self, request: Request) -> Any:
        """List the cards, newest first. A payer adds one by paying; no card number is ever here."""
        return self.listing()


class SavedMethodDetail(Resource):
    """One card."""

    scopes = {"read": "payment-methods:read", "write": "payment-methods:write"}
    serializer_class = SavedMethodView

    @extend_schema(operation_id="get_payment_method")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a card."""
        return with_etag(request, self.represent(self._method(pk)))

    @extend_schema(operation_id="remove_payment_method", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Use a card no more. 409 while a payment with it is on its way."""
        asking.remove_method(self._method(pk), by=self.actor)
        return Response(status=204)

    def _method(self, pk: UUID) -> SavedMethod:
        method: SavedMethod = found(SavedMethod.objects.visible_to(self.actor).live(), pk)
        return method
