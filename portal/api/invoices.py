"""``/invoices/``: documents of billing, and what can become of them (billing B-14 to B-17, B-46)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import (
    Allocation,
    DocumentType,
    Invoice,
    InvoiceKind,
    InvoiceState,
    Method,
    Payment,
    SavedMethod,
)
from billing.services import cost_centres, crediting, drafting, issuing, self_billing, uncollectible
from billing.services.overdue import is_overdue
from billing.services.payments import allocating, asking, receiving
from core import clock
from core.money import minor_units
from portal.api.amounts import Amount, Rate, Sum
from portal.api.fields import OwnRow
from portal.api.payments import PaymentFilter, PaymentView
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag

BY_HAND = [Method.BANK_TRANSFER.value, Method.MANUAL.value]


class ReasonBody(StrictSerializer):
    reason = serializers.CharField(max_length=500)


class GiveUpBody(StrictSerializer):
    reason = serializers.CharField(max_length=uncollectible.LONGEST)


class CreditedLine(StrictSerializer):
    line = serializers.IntegerField(min_value=1, max_value=2**63 - 1, help_text="Its `id` on the invoice")
    amount = Sum(required=False, help_text="Gross or net by `basis`; all that is left of it where absent")


class CreditBody(ReasonBody):
    lines = CreditedLine(
        many=True, required=False, min_length=1, max_length=1000, help_text="All that is left where absent"
    )

    def validate_lines(self, lines: list[Any]) -> list[Any]:
        if len({one["line"] for one in lines}) < len(lines):
            raise serializers.ValidationError("A line stands twice in the list.")
        return lines


class ReceivedBody(StrictSerializer):
    amount = Sum()
    received_on = serializers.DateField()
    method = serializers.ChoiceField(BY_HAND, required=False, default=Method.BANK_TRANSFER.value)
    note = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class ChargeBody(StrictSerializer):
    method = OwnRow(SavedMethod.objects, help_text="Of `/payment-methods/`")


class VatView(serializers.Serializer):
    rate = Rate(help_text="Percent")
    category = serializers.CharField(help_text="UNTDID 5305")
    reason = serializers.CharField(help_text="Why no VAT is charged (VATEX)")
    net = serializers.CharField()
    vat = serializers.CharField()


class InvoiceView(serializers.Serializer):
    id = serializers.UUIDField()
    number = serializers.CharField(help_text="Empty while it is a draft")
    status = serializers.ChoiceField(InvoiceState.choices, source="state")
    overdue = serializers.SerializerMethodField()
    document_type = serializers.ChoiceField(DocumentType.choices, help_text="UNTDID 1001")
    kind = serializers.ChoiceField(InvoiceKind.choices)
    account = serializers.UUIDField(source="account_id")
    buyer = serializers.CharField(
        source="account.name", help_text="The account's name; on a self-billed invoice (389) who is paid"
    )
    credits = serializers.UUIDField(
        source="credits_id", allow_null=True, help_text="The invoice that a credit note takes back"
    )
    period = serializers.CharField()
    currency = serializers.CharField()
    basis = serializers.ChoiceField(["gross", "net"])
    total = Amount(source="due", help_text="With VAT")
    total_excl_vat = Amount(source="net")
    vat = Amount()
    rounding = Amount(help_text="BT-114")
    vat_rates = VatView(source="vat_groups", many=True)
    issued_on = serializers.DateField(allow_null=True)
    due_on = serializers.DateField(allow_null=True)

    def get_overdue(self, invoice: Invoice) -> bool:
        return is_overdue(invoice, clock.now(), invoice.account.time_zone)


class LineView(serializers.Serializer):
    id = serializers.IntegerField()
    credits = serializers.IntegerField(
        source="credits_id",
        allow_null=True,
        help_text="The line of the invoice that a credit note takes back",
    )
    cdr = serializers.UUIDField(source="cdr_id")
    transaction = serializers.UUIDField(source="cdr.transaction_id", allow_null=True)
    reservation = serializers.UUIDField(source="cdr.reservation_id", allow_null=True)
    cost_centre = serializers.SerializerMethodField(help_text="Of the driver as it began (BT-133)")
    vat_rate = Rate()
    vat_category = serializers.CharField()
    amount = Amount(source="leading", currency="invoice.currency", help_text="Gross or net by `basis`")
    amount_excl_vat = Amount(source="net", currency="invoice.currency")

    def get_cost_centre(self, line: Any) -> str:
        return str(line.cdr.content.get("cost_centre", ""))


class CostCentreView(serializers.Serializer):
    cost_centre = serializers.CharField(help_text="Empty: sessions without one")
    sessions = serializers.IntegerField()
    amount = Amount(source="leading", help_text="Gross or net by `basis`")
    amount_excl_vat = Amount(source="net")


class InvoiceDetailView(InvoiceView):
    open_amount = serializers.SerializerMethodField(help_text="Neither paid nor credited")
    credit_notes = serializers.SerializerMethodField(help_text="What took some or all of it back")
    cost_centres = serializers.SerializerMethodField(
        help_text="Sums for each, where the payer asks for that (`by_cost_centre`)"
    )
    lines = LineView(many=True, source="items")

    def get_open_amount(self, invoice: Invoice) -> str:
        return f"{allocating.open_amount(invoice):.{minor_units(invoice.currency)}f}"

    @extend_schema_field(CostCentreView(many=True))
    def get_cost_centres(self, invoice: Invoice) -> Any:
        return CostCentreView(cost_centres.of(invoice), many=True).data

    def get_credit_notes(self, invoice: Invoice) -> list[UUID]:
        return [note.pk for note in invoice.credit_notes.order_by("id")]


class InvoiceFilter(filters.FilterSet):
    status = filters.ChoiceFilter(field_name="state", choices=InvoiceState.choices)
    account = filters.UUIDFilter(field_name="account_id")
    search = filters.CharFilter(field_name="account__name", lookup_expr="icontains")

    class Meta:
        model = Invoice
        fields = ["number", "period", "kind", "document_type", "currency"]


class InvoiceList(ListResource):
    """Invoices and credit notes."""

    scopes = {"read": "invoices:read"}
    serializer_class = InvoiceView
    filter_class = filterset_class = InvoiceFilter

    def rows(self) -> QuerySet[Invoice]:
        return Invoice.objects.visible_to(self.actor).select_related("account")

    @extend_schema(operation_id="list_invoices", responses=InvoiceView(many=True))
    def get(self, request: Request) -> Any:
        """List the documents, newest first. Lines are in each one's detail."""
        return self.listing()


class OneInvoice(Resource):
    serializer_class = InvoiceDetailView

    def invoice(self, pk: UUID) -> Invoice:
        rows = Invoice.objects.visible_to(self.actor).select_related("account")
        one: Invoice = found(rows.prefetch_related("lines__cdr", "shares__cdr"), pk)
        return one


class InvoiceDetail(OneInvoice):
    """One document with its lines."""

    scopes = {"read": "invoices:read"}

    @extend_schema(operation_id="get_invoice")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a document."""
        return with_etag(request, self.represent(self.invoice(pk)))


class InvoiceIssue(OneInvoice):
    """A draft becomes final."""

    scopes = {"write": "invoices:write"}

    @extend_schema(operation_id="issue_invoice", request=None, responses={200: InvoiceDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Give a draft its number and date. It never changes after that."""
        return self.once(lambda: self._issue(pk))

    def _issue(self, pk: UUID) -> Response:
        issuing.issue(self.invoice(pk), by=self.actor)
        return Response(self.represent(self.invoice(pk)))


class InvoiceDiscard(OneInvoice):
    """A draft is given up."""

    scopes = {"write": "invoices:write"}

    @extend_schema(operation_id="discard_invoice", request=None, responses={200: InvoiceDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Give a draft up; its sessions can be invoiced again."""
        return self.once(lambda: self._discard(pk))

    def _discard(self, pk: UUID) -> Response:
        drafting.discard(self.invoice(pk), by=self.actor)
        return Response(self.represent(self.invoice(pk)))


class InvoiceCredit(OneInvoice):
    """An issued invoice is taken back, whole or in parts."""

    scopes = {"write": "invoices:write"}

    @extend_schema(operation_id="credit_invoice", request=CreditBody, responses={201: InvoiceDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Take an issued invoice back, or the lines and amounts that are named; the answer is the credit note.

        Credit notes together are never above the invoice. A session that one of them takes back in full is
        credited with it and can be billed anew.
        """
        return self.once(lambda: self._credit(pk))

    def _credit(self, pk: UUID) -> Response:
        invoice = self.invoice(pk)
        values = self.body(CreditBody)
        parts = {one["line"]: one.get("amount") for one in values["lines"]} if "lines" in values else None
        note = crediting.credit(invoice, by=self.actor, reason=values["reason"], parts=parts)
        place = {"Location": f"/api/v1/invoices/{note.pk}/"}
        return Response(self.represent(self.invoice(note.pk)), status=201, headers=place)


class InvoiceGiveUp(OneInvoice):
    """Nobody is expected to pay an invoice."""

    scopes = {"write": "invoices:write"}

    @extend_schema(operation_id="give_up_invoice", request=GiveUpBody, responses={200: InvoiceDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Make an issued invoice uncollectible: what is open is written off and asked for no more.

        It stays owed: a payment settles it and takes the write-off back. Doing it again changes nothing.
        """
        return self.once(lambda: self._give_up(pk))

    def _give_up(self, pk: UUID) -> Response:
        uncollectible.give_up(self.invoice(pk), reason=self.body(GiveUpBody)["reason"], by=self.actor)
        return Response(self.represent(self.invoice(pk)))


class InvoiceCharge(OneInvoice):
    """A kept card pays an invoice."""

    scopes = {"write": "invoices:write"}
    serializer_class = PaymentView

    @extend_schema(operation_id="charge_invoice", request=ChargeBody, responses={201: PaymentView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Charge a card of the payer for what is open; once, however often it is asked for meanwhile."""
        return self.once(lambda: self._charge(pk), apart=True)

    def _charge(self, pk: UUID) -> Response:
        made = asking.charge(self.invoice(pk), self.body(ChargeBody)["method"], by=self.actor)
        place = {"Location": f"/api/v1/payments/{made.pk}/"}
        return Response(self.represent(made), status=201, headers=place)


class InvoicePayments(ListResource):
    """Payments that settle an invoice."""

    scopes = {"read": "invoices:read", "write": "invoices:write"}
    serializer_class = PaymentView
    filter_class = filterset_class = PaymentFilter

    def invoice(self) -> Invoice:
        one: Invoice = found(
            Invoice.objects.visible_to(self.actor).select_related("account"), self.kwargs["pk"]
        )
        return one

    def rows(self) -> QuerySet[Payment]:
        settling = Allocation.objects.live().filter(invoice=self.invoice()).values("payment")
        return Payment.objects.visible_to(self.actor).filter(pk__in=settling).select_related("account")

    @extend_schema(operation_id="list_invoice_payments", responses=PaymentView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the payments that settle an invoice, newest first."""
        return self.listing()

    @extend_schema(operation_id="record_invoice_payment", request=ReceivedBody, responses={201: PaymentView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Record money that came in; what is above the open amount stays as the payer's credit."""
        return self.once(self._record)

    def _record(self) -> Response:
        invoice, values = self.invoice(), self.body(ReceivedBody)
        payment = receiving.record(
            invoice, values["amount"], received_on=values["received_on"], method=Method(values["method"]),
            note=values["note"], by=self.actor,
        )  # fmt: skip
        place = {"Location": f"/api/v1/payments/{payment.pk}/"}
        return Response(self.represent(payment), status=201, headers=place)


class PayoutBody(StrictSerializer):
    paid_on = serializers.DateField()
    note = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class InvoicePayout(OneInvoice):
    """A statement was paid."""

    scopes = {"write": "invoices:write"}

    @extend_schema(operation_id="pay_out_invoice", request=PayoutBody, responses={200: InvoiceDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Write down that a self-billed invoice (389) was paid from the bank, once and in full."""
        return self.once(lambda: self._pay_out(pk))

    def _pay_out(self, pk: UUID) -> Response:
        self_billing.pay_out(self.invoice(pk), **self.body(PayoutBody), by=self.actor)
        return Response(self.represent(self.invoice(pk)))
