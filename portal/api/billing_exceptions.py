"""``/billing-exceptions/``: sessions that no invoice can take by itself (billing B-06)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BillingException, Cause, Decision
from billing.services import exceptions
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search


class ResolutionBody(StrictSerializer):
    decision = serializers.ChoiceField(Decision.choices)
    reason = serializers.CharField(max_length=500)
    consent = serializers.CharField(
        max_length=300, required=False, allow_blank=True, default="",
        help_text="When and how a person agreed to pay more, where a correction says so (B-08)",
    )  # fmt: skip


class ExceptionView(serializers.Serializer):
    id = serializers.UUIDField()
    transaction = serializers.UUIDField(source="transaction_id")
    site = serializers.UUIDField(source="site_id", allow_null=True)
    cause = serializers.ChoiceField(Cause.choices)
    detail = serializers.CharField()
    difference = serializers.DecimalField(
        19, 4, allow_null=True, help_text="What late data would change of the amount"
    )
    currency = serializers.CharField()
    opened_at = serializers.DateTimeField()
    decision = serializers.CharField(help_text="Empty while nobody has decided")
    reason = serializers.CharField()
    consent = serializers.CharField()
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField(allow_null=True)


class ExceptionFilter(filters.FilterSet):
    open = filters.BooleanFilter(field_name="decided_at", lookup_expr="isnull")
    transaction = filters.UUIDFilter(field_name="transaction_id")
    site = filters.UUIDFilter(field_name="site_id")
    search = Search("detail", "cause")

    class Meta:
        model = BillingException
        fields = ["cause", "decision"]


class BillingExceptionList(ListResource):
    """Sessions that wait for a person, and decided ones."""

    scopes = {"read": "billing-exceptions:read"}
    serializer_class = ExceptionView
    filter_class = filterset_class = ExceptionFilter

    def rows(self) -> QuerySet[BillingException]:
        return BillingException.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_billing_exceptions", responses=ExceptionView(many=True))
    def get(self, request: Request) -> Any:
        """List the exceptions, newest first."""
        return self.listing()


class BillingExceptionDetail(Resource):
    """One session and why it waits."""

    scopes = {"read": "billing-exceptions:read"}
    serializer_class = ExceptionView

    @extend_schema(operation_id="get_billing_exception")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read an exception."""
        return with_etag(request, self.represent(found(BillingException.objects.visible_to(self.actor), pk)))


class BillingExceptionResolution(Resource):
    """A person or program decides."""

    scopes = {"write": "billing-exceptions:write"}
    serializer_class = ExceptionView

    @extend_schema(
        operation_id="resolve_billing_exception", request=ResolutionBody, responses={200: ExceptionView}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Accept what stands, look again after a repair, correct by late data, waive the amount, or mark it as a test.

        A correction credits the record, on its invoice too, and makes a new one for the next invoice.
        """
        return self.once(lambda: self._resolve(pk))

    def _resolve(self, pk: UUID) -> Response:
        exception: BillingException = found(BillingException.objects.visible_to(self.actor), pk)
        values = self.body(ResolutionBody)
        made = exceptions.resolve(
            exception, Decision(values["decision"]), by=self.actor, reason=values["reason"],
            consent=values["consent"],
        )  # fmt: skip
        return Response(self.represent(made))
