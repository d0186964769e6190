"""``/bank-statements/``, ``/bank-lines/``, ``/organization/bank-account/``: transfers that came in (billing B-46)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from django.db.transaction import atomic
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BankDetails, BankLine, BankStatement, BillingAccount, Invoice, LineState
from billing.services.payments import debits, matching
from core.access import Permission
from core.models import Organization
from portal.api.amounts import Amount
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, require_match, with_etag
from portal.api.searching import Search

FORMATS = ["camt.053", "csv"]


class StatementBody(StrictSerializer):
    name = serializers.CharField(max_length=200, required=False, default="")
    content = serializers.CharField(
        trim_whitespace=False,
        help_text="The file as text: camt.053, or CSV with `date` and `amount`. A body has at most 1 MiB; "
        "larger files go in parts, known bookings are not booked again",
    )


class StatementView(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    format = serializers.ChoiceField(FORMATS)
    lines_new = serializers.IntegerField()
    lines_known = serializers.IntegerField(help_text="Known from another file, not booked again")
    imported_at = serializers.DateTimeField()
    imported_by = serializers.CharField()


class LineDecision(StrictSerializer):
    """One of the three."""

    invoice = OwnRow(Invoice.objects, required=False, help_text="What it pays")
    account = OwnRow(
        BillingAccount.objects, required=False, help_text="Who paid: it stays as that payer's credit"
    )
    reason = serializers.CharField(max_length=300, required=False, help_text="What it is, if none of ours")

    def validate(self, attrs: Any) -> Any:
        if len(attrs) != 1:
            raise serializers.ValidationError({"invoice": "Give the invoice, the account or the reason."})
        return attrs


class BankLineView(serializers.Serializer):
    id = serializers.UUIDField()
    statement = serializers.UUIDField(source="statement_id")
    booked_on = serializers.DateField()
    amount = Amount(help_text="Negative: money that went out")
    currency = serializers.CharField()
    text = serializers.CharField()
    name = serializers.CharField(help_text="Of who paid, as the bank tells it")
    status = serializers.ChoiceField(LineState.choices, source="state")
    proposed = serializers.UUIDField(
        source="proposed_id", allow_null=True, help_text="The invoice that it may pay, or paid"
    )
    payment = serializers.UUIDField(source="payment_id", allow_null=True)
    reason = serializers.CharField()
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField(allow_null=True)


class StatementFilter(filters.FilterSet):
    search = Search("name", "imported_by")

    class Meta:
        model = BankStatement
        fields = ["imported_by"]


class BankLineFilter(filters.FilterSet):
    status = filters.ChoiceFilter(field_name="state", choices=LineState.choices)
    statement = filters.UUIDFilter(field_name="statement_id")
    search = Search("text", "name")

    class Meta:
        model = BankLine
        fields = ["booked_on", "currency"]


class BankAccountChange(StrictSerializer):
    holder = serializers.CharField(max_length=70, required=False)
    iban = serializers.CharField(max_length=42, required=False)
    bic = serializers.CharField(max_length=11, required=False, allow_blank=True)
    creditor_id = serializers.CharField(max_length=35, required=False, allow_blank=True)
    notice_days = serializers.IntegerField(required=False, min_value=1, max_value=60)
    first_as_frst = serializers.BooleanField(required=False, help_text="The bank asks for FRST at first use")


class BankAccountView(serializers.Serializer):
    holder = serializers.CharField()
    iban = serializers.CharField(help_text="Empty while none is entered")
    bic = serializers.CharField()
    creditor_id = serializers.CharField()
    notice_days = serializers.IntegerField(help_text="Between an invoice and its direct debit")
    first_as_frst = serializers.BooleanField()


class StatementList(ListResource):
    """Statements that were taken in."""

    scopes = {"read": "payments:read", "write": "payments:write"}
    serializer_class = StatementView
    filter_class = filterset_class = StatementFilter

    def rows(self) -> QuerySet[BankStatement]:
        return BankStatement.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_bank_statements", responses=StatementView(many=True))
    def get(self, request: Request) -> Any:
        """List the statements, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="take_in_bank_statement", request=StatementBody, responses={201: StatementView}
    )
    def post(self, request: Request) -> Response:
        """Take a statement in: bookings with a reference settle their invoice, the others wait as lines."""
        return self.once(self._take_in)

    def _take_in(self) -> Response:
        values = self.body(StatementBody)
        organization = Organization.objects.get(pk=self.actor.home)
        self.actor.require_everywhere(Permission.INVOICES_MANAGE, organization)
        made = matching.take_in(organization, values["name"], values["content"].encode(), by=self.actor)
        return Response(self.represent(made), status=201)


class BankLineList(ListResource):
    """Bookings of statements."""

    scopes = {"read": "payments:read"}
    serializer_class = BankLineView
    filter_class = filterset_class = BankLineFilter

    def rows(self) -> QuerySet[BankLine]:
        return BankLine.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_bank_lines", responses=BankLineView(many=True))
    def get(self, request: Request) -> Any:
        """List the bookings, newest first; `?status=open` and `proposed` wait for a decision."""
        return self.listing()


class OneBankLine(Resource):
    serializer_class = BankLineView

    def line(self, pk: UUID) -> BankLine:
        one: BankLine = found(BankLine.objects.visible_to(self.actor), pk)
        return one


class BankLineDetail(OneBankLine):
    """One booking."""

    scopes = {"read": "payments:read"}

    @extend_schema(operation_id="get_bank_line")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a booking."""
        return with_etag(request, self.represent(self.line(pk)))


class BankLineResolution(OneBankLine):
    """A booking that waits is decided."""

    scopes = {"write": "payments:write"}

    @extend_schema(operation_id="decide_bank_line", request=LineDecision, responses={200: BankLineView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Say which invoice it pays, who paid, or what it is if it is none of ours."""
        return self.once(lambda: self._decide(pk))

    def _decide(self, pk: UUID) -> Response:
        line, values = self.line(pk), self.body(LineDecision)
        if "invoice" in values:
            made = matching.confirm(line, values["invoice"], by=self.actor)
        elif "account" in values:
            made = matching.give_to(line, values["account"], by=self.actor)
        else:
            made = matching.leave(line, reason=values["reason"], by=self.actor)
        return Response(self.represent(made))


class BankAccountDetail(Resource):
    """The organization's own account."""

    scopes = {"read": "organization:read", "write": "organization:write"}
    serializer_class = BankAccountView

    @extend_schema(operation_id="get_bank_account")
    def get(self, request: Request) -> Response:
        """Read where transfers go to and direct debits come from."""
        return with_etag(request, self.represent(self._row()), BankAccountChange)

    @extend_schema(operation_id="change_bank_account", request=BankAccountChange)
    def patch(self, request: Request) -> Response:
        """Change some of it; holder and IBAN are needed at first. Issued documents stay as they are."""
        values = self.body(BankAccountChange, partial=True)
        with atomic():
            organization = Organization.objects.select_for_update().get(pk=self.actor.home)
            row = self._row()
            require_match(request, self.represent(row), BankAccountChange)
            kept = {name: getattr(row, name) for name in BankAccountChange().fields}
            made = debits.set_details(organization, **{**kept, **values}, by=self.actor)
        return with_etag(request, self.represent(made), BankAccountChange)

    def _row(self) -> BankDetails:
        known = BankDetails.objects.filter(pk=self.actor.home).first()
        return known or BankDetails(organization_id=self.actor.home)
