"""``/billing-exceptions/``: sessions that no invoice can take by itself (billing B-06)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BillingException, Cause, Cdr, Decision
from billing.services import exceptions, joining
from billing.services.joining import Joined
from portal.api.amounts import Amount
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search
from stations.models import Transaction

DECISIONS = [(value, label) for value, label in Decision.choices if value != Decision.MERGED]
"""Merging names the other half, by an operation of its own."""


class ResolutionBody(StrictSerializer):
    decision = serializers.ChoiceField(DECISIONS)
    reason = serializers.CharField(max_length=500)
    consent = serializers.CharField(
        max_length=300, required=False, allow_blank=True, default="",
        help_text="When and how a person agreed to pay more, where a correction says so (B-08)",
    )  # fmt: skip


class HalfBody(StrictSerializer):
    other = OwnRow(Transaction.objects, help_text="The session that is the other half")
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Look only, write nothing")


class JoinedView(serializers.Serializer):
    exception = serializers.UUIDField()
    first = serializers.UUIDField(source="joined.first.pk", help_text="The half whose record counts both")
    later = serializers.UUIDField(source="joined.later.pk", help_text="The half that is not billed by itself")
    dry_run = serializers.BooleanField()
    gap_s = serializers.SerializerMethodField()
    between_wh = serializers.DecimalField(
        16, 3, source="joined.between_wh", help_text="What the register counted between the two; it is billed"
    )
    energy_kwh = serializers.DecimalField(16, 6, source="joined.energy_kwh")
    payable_excl_vat = Amount(source="joined.cost.excl_vat", currency="joined.cost.currency")
    payable_incl_vat = Amount(source="joined.cost.incl_vat", currency="joined.cost.currency")
    currency = serializers.CharField(source="joined.cost.currency")
    taken_back = serializers.SerializerMethodField(
        help_text="Records of the halves, not invoiced yet, that end"
    )
    doubt = serializers.SerializerMethodField(
        help_text="The cause for which both together wait for a person again; empty where they are billed"
    )
    record = serializers.UUIDField(allow_null=True, help_text="Of both, once they are merged and billed")

    def get_gap_s(self, values: dict[str, Any]) -> int:
        return int(values["joined"].gap.total_seconds())

    def get_taken_back(self, values: dict[str, Any]) -> list[UUID]:
        return [record.pk for record in values["joined"].taken_back]

    def get_doubt(self, values: dict[str, Any]) -> str:
        doubt = values["joined"].doubt
        return doubt.cause.value if doubt else ""


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


class BillingExceptionMerge(Resource):
    """A session that a restart of its station cut in two."""

    scopes = {"write": "billing-exceptions:write"}
    serializer_class = JoinedView

    @extend_schema(operation_id="merge_billing_exception", request=HalfBody, responses={200: JoinedView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Merge the session with its other half: both are one record, by the first half's tariff.

        Refused with 409 where the two are not at the same outlet, not begun by the same card, overlap, are more than
        30 minutes or another session apart, began with different tariffs, or one of them is on an issued invoice or
        decided already. Repeated, it changes nothing.
        """
        return self.once(lambda: self._merge(pk))

    def _merge(self, pk: UUID) -> Response:
        exception: BillingException = found(BillingException.objects.visible_to(self.actor), pk)
        values = self.body(HalfBody)
        other, dry_run = values["other"], values["dry_run"]
        if dry_run:
            joined = joining.look(exception, other, by=self.actor)
        else:
            joined = joining.merge(exception, other, by=self.actor, reason=values["reason"])
        return Response(self.represent(_joined(exception, joined, dry_run)))


def _joined(exception: BillingException, joined: Joined, dry_run: bool) -> dict[str, Any]:
    records = Cdr.objects.filter(transaction=joined.first, credit=False, credited_by=None)
    record = None if dry_run else records.values_list("pk", flat=True).first()
    return {"exception": exception.pk, "joined": joined, "dry_run": dry_run, "record": record}
