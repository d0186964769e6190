"""What a debit file would collect and why not the rest, and announcing what the payer was not told (billing B-44)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import DebitNotice, DeliveryState, Invoice, MandateType
from billing.services.payments import announcing, collecting
from billing.services.payments.collecting import Candidate, Obstacle
from core.access import Permission
from core.models import Organization
from portal.api.amounts import Amount
from portal.api.resource import Resource, found

OBSTACLES = [(word.value, word.value) for word in Obstacle]
MOST = 1_000


class PreviewQuery(serializers.Serializer):
    collect_on = serializers.DateField()
    type = serializers.ChoiceField(MandateType.choices, required=False, default=MandateType.CORE)


class ToCollectView(serializers.Serializer):
    invoice = serializers.UUIDField(source="invoice.pk")
    number = serializers.CharField(source="invoice.number")
    account = serializers.UUIDField(source="invoice.account_id")
    mandate = serializers.UUIDField(source="mandate.pk", allow_null=True, default=None)
    currency = serializers.CharField(source="invoice.currency")
    amount = Amount(source="rest", currency="invoice.currency", help_text="What is open")
    announced_for = serializers.DateField(
        source="announced_on", allow_null=True, help_text="The first day that the payer was told"
    )
    obstacle = serializers.ChoiceField(
        OBSTACLES, allow_null=True, help_text="Why it is not collected; none of what is"
    )
    may_be_announced = serializers.BooleanField(
        help_text="Nothing but the announcement is missing: `/invoices/{id}/announce-debit/`"
    )


class DebitPreviewView(serializers.Serializer):
    collect_on = serializers.DateField()
    type = serializers.ChoiceField(MandateType.choices)
    count = serializers.IntegerField(help_text="How many would be collected")
    total = Amount(currency="currency")
    currency = serializers.CharField()
    collected = ToCollectView(many=True, help_text=f"The first {MOST}")
    others_count = serializers.IntegerField()
    others = ToCollectView(
        many=True, help_text=f"Owed by payers with a mandate, and not collected: the first {MOST}"
    )


class DebitNoticeView(serializers.Serializer):
    id = serializers.UUIDField()
    invoice = serializers.UUIDField(source="invoice_id")
    mandate = serializers.UUIDField(source="mandate_id")
    creditor_id = serializers.CharField()
    amount = Amount(currency="invoice.currency")
    collect_on = serializers.DateField(
        help_text="Moved to the day on which the mail goes out, plus the notice"
    )
    status = serializers.ChoiceField(DeliveryState.choices, source="state")
    detail = serializers.CharField(source="reason")
    sent_at = serializers.DateTimeField(allow_null=True)
    made_at = serializers.DateTimeField()
    made_by = serializers.CharField()


@dataclass(frozen=True, slots=True)
class Preview:
    collect_on: date
    type: str
    wanted: list[Candidate]
    rest: list[Candidate]
    currency: str = "EUR"

    @property
    def count(self) -> int:
        return len(self.wanted)

    @property
    def total(self) -> Decimal:
        return sum((one.rest for one in self.wanted), Decimal(0))

    @property
    def collected(self) -> list[Candidate]:
        return self.wanted[:MOST]

    @property
    def others_count(self) -> int:
        return len(self.rest)

    @property
    def others(self) -> list[Candidate]:
        return self.rest[:MOST]


class DebitPreview(Resource):
    """What a file of a day would collect."""

    scopes = {"read": "payments:read"}
    serializer_class = DebitPreviewView
    errors_told = {400: "The day or the type cannot be read"}

    @extend_schema(
        operation_id="preview_debit_file",
        parameters=[
            OpenApiParameter("collect_on", date, required=True, description="The day of the file"),
            OpenApiParameter(
                "type", str, enum=MandateType.values, description="Of the mandates; `CORE` by itself"
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        """See what a file of that day would collect, and of what else is owed by payers with a mandate why not."""
        query = PreviewQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        organization = Organization.objects.get(pk=self.actor.home)
        self.actor.require_everywhere(Permission.INVOICES_MANAGE, organization)
        day, type_ = query.validated_data["collect_on"], MandateType(query.validated_data["type"])
        seen = collecting.looked_at(organization, day, type_)
        rest = [one for one in seen if one.obstacle is not None]
        return Response(self.represent(Preview(day, type_.value, collecting.free(seen), rest)))


class DebitAnnouncement(Resource):
    """A direct debit that the invoice did not announce."""

    scopes = {"write": "invoices:write"}
    serializer_class = DebitNoticeView

    @extend_schema(operation_id="announce_debit", request=None, responses={201: DebitNoticeView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Tell the payer by mail that the rest is collected by the mandate of today, after the notice."""
        return self.once(lambda: self._announce(pk))

    def _announce(self, pk: UUID) -> Response:
        invoice: Invoice = found(Invoice.objects.visible_to(self.actor), pk)
        made: DebitNotice = announcing.announce(invoice, by=self.actor)
        return Response(self.represent(made), status=201)
