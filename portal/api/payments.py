"""``/payments/``: money in, and money that goes back (billing section 9)."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import (
    BillingAccount,
    CallState,
    Invoice,
    Method,
    Payment,
    PaymentState,
    ProviderCall,
    Purpose,
    RefundState,
)
from billing.services.payments import allocating, asking, coming_back, receiving, refunding
from core.errors import Conflict
from core.money import minor_units
from portal.api.amounts import Amount, Sum
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search


class RefundBody(StrictSerializer):
    amount = Sum()
    reason = serializers.CharField(max_length=300)
    credit_note = OwnRow(
        Invoice.objects, required=False, allow_null=True, default=None,
        help_text="Of an invoice that the payment settled; none: of what settles nothing",
    )  # fmt: skip


class ReturnBody(StrictSerializer):
    reason = serializers.CharField(
        max_length=200, help_text="As the bank gives it; `AC04` or `MD01` stop a mandate"
    )
    fee = Sum(required=False, allow_null=True, default=None, help_text="What the bank wants for it")


class PayerBody(StrictSerializer):
    account = OwnRow(BillingAccount.objects)


class AllocationBody(StrictSerializer):
    invoice = OwnRow(Invoice.objects)
    amount = Sum(required=False, allow_null=True, default=None, help_text="As far as both go, if not given")


class PaymentView(serializers.Serializer):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(PaymentState.choices, source="state")
    method = serializers.ChoiceField(Method.choices)
    purpose = serializers.ChoiceField(Purpose.choices)
    account = serializers.UUIDField(source="account_id", allow_null=True, help_text="`null`: not known yet")
    currency = serializers.CharField()
    amount = Amount(help_text="Asked for, or came in")
    held = serializers.SerializerMethodField(
        help_text="What the provider set aside; a transfer sets nothing aside"
    )
    captured = Amount(help_text="What is the organization's")
    released = serializers.SerializerMethodField(help_text="Of the hold, what was never taken")
    refunded = Amount()
    disputed_at = serializers.DateTimeField(allow_null=True)
    failure = serializers.CharField()
    note = serializers.CharField()
    received_on = serializers.DateField(allow_null=True)
    created_at = serializers.DateTimeField()

    def get_held(self, payment: Payment) -> str:
        aside = payment.authorized if payment.method == Method.CARD else 0
        return f"{aside:.{minor_units(payment.currency)}f}"

    def get_released(self, payment: Payment) -> str:
        over = payment.state in (PaymentState.RECEIVED, PaymentState.RELEASED, PaymentState.RETURNED)
        rest = payment.authorized - payment.captured if over else 0
        return f"{rest:.{minor_units(payment.currency)}f}"


class AllocationView(serializers.Serializer):
    invoice = serializers.UUIDField(source="invoice_id")
    amount = Amount(currency="payment.currency")
    undone_at = serializers.DateTimeField(allow_null=True)


class RefundView(serializers.Serializer):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(RefundState.choices, source="state")
    amount = Amount(currency="payment.currency")
    credit_note = serializers.UUIDField(source="credit_note_id", allow_null=True)
    reason = serializers.CharField()
    failure = serializers.CharField()
    made_at = serializers.DateTimeField()


class PaymentDetailView(PaymentView):
    unallocated = serializers.SerializerMethodField(help_text="What settles nothing yet")
    unclear = serializers.SerializerMethodField(
        help_text="The provider has not answered; it is being clarified, nothing is tried twice"
    )
    allocations = AllocationView(many=True)
    refunds = RefundView(many=True)

    def get_unallocated(self, payment: Payment) -> str:
        return f"{allocating.unallocated(payment):.{minor_units(payment.currency)}f}"

    def get_unclear(self, payment: Payment) -> bool:
        return ProviderCall.objects.filter(payment=payment, state=CallState.OPEN).exists()


class PaymentFilter(filters.FilterSet):
    status = filters.ChoiceFilter(field_name="state", choices=PaymentState.choices)
    account = filters.UUIDFilter(field_name="account_id")
    disputed = filters.BooleanFilter(field_name="disputed_at", lookup_expr="isnull", exclude=True)
    search = Search("note", "failure")

    class Meta:
        model = Payment
        fields = ["method", "purpose", "currency"]


class PaymentList(ListResource):
    """Money that came in, or is set aside."""

    scopes = {"read": "payments:read"}
    serializer_class = PaymentView
    filter_class = filterset_class = PaymentFilter

    def rows(self) -> QuerySet[Payment]:
        return Payment.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_payments", responses=PaymentView(many=True))
    def get(self, request: Request) -> Any:
        """List the payments, newest first. One is recorded at its invoice."""
        return self.listing()


class OnePayment(Resource):
    serializer_class = PaymentDetailView

    def payment(self, pk: UUID) -> Payment:
        rows = Payment.objects.visible_to(self.actor).prefetch_related("allocations", "refunds")
        one: Payment = found(rows, pk)
        return one


class PaymentDetail(OnePayment):
    """One payment with what it settles and what went back."""

    scopes = {"read": "payments:read"}

    @extend_schema(operation_id="get_payment")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a payment."""
        return with_etag(request, self.represent(self.payment(pk)))


class PaymentPayer(OnePayment):
    """It becomes known who paid."""

    scopes = {"write": "payments:write"}

    @extend_schema(operation_id="assign_payment", request=PayerBody, responses={200: PaymentDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Say who paid, where that is not known; it is that payer's credit then."""
        return self.once(lambda: self._assign(pk))

    def _assign(self, pk: UUID) -> Response:
        receiving.assign(self.payment(pk), self.body(PayerBody)["account"], by=self.actor)
        return Response(self.represent(self.payment(pk)))


class PaymentAllocation(OnePayment):
    """A credit settles an invoice."""

    scopes = {"write": "payments:write"}

    @extend_schema(
        operation_id="allocate_payment", request=AllocationBody, responses={200: PaymentDetailView}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Let what settles nothing yet settle an invoice of the same payer."""
        return self.once(lambda: self._allocate(pk))

    def _allocate(self, pk: UUID) -> Response:
        payment, values = self.payment(pk), self.body(AllocationBody)
        made = allocating.allocate(payment, values["invoice"], amount=values["amount"], by=self.actor)
        if made is None:
            raise Conflict("Nothing is left of this payment that could settle an invoice.")
        return Response(self.represent(self.payment(pk)))


class PaymentRetry(OnePayment):
    """What the provider refused is asked for again."""

    scopes = {"write": "payments:write"}

    @extend_schema(operation_id="retry_payment", request=None, responses={201: PaymentDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Ask anew for what the provider refused. The answer is the new payment; the refused one stays."""
        return self.once(lambda: self._retry(pk), apart=True)

    def _retry(self, pk: UUID) -> Response:
        made = asking.again(self.payment(pk), by=self.actor)
        place = {"Location": f"/api/v1/payments/{made.pk}/"}
        return Response(self.represent(self.payment(made.pk)), status=201, headers=place)


class PaymentReturn(OnePayment):
    """The bank took it back."""

    scopes = {"write": "payments:write"}

    @extend_schema(operation_id="return_payment", request=ReturnBody, responses={200: PaymentDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Write down a return of which no statement tells by itself; its invoices are owed again."""
        return self.once(lambda: self._return(pk))

    def _return(self, pk: UUID) -> Response:
        payment, values = self.payment(pk), self.body(ReturnBody)
        fee = values["fee"] or Decimal(0)
        coming_back.by_hand(payment, reason=values["reason"], fee=fee, by=self.actor)
        return Response(self.represent(self.payment(pk)))


class PaymentRefund(OnePayment):
    """Money goes back."""

    scopes = {"write": "payments:write"}

    @extend_schema(operation_id="refund_payment", request=RefundBody, responses={201: PaymentDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Refund a part or all: of a credit note, of a credit left over, or of a top-up's rest."""
        return self.once(lambda: self._refund(pk))

    def _refund(self, pk: UUID) -> Response:
        payment, values = self.payment(pk), self.body(RefundBody)
        refunding.refund(
            payment, values["amount"], reason=values["reason"], credit_note=values["credit_note"],
            by=self.actor,
        )  # fmt: skip
        return Response(self.represent(self.payment(pk)), status=201)
