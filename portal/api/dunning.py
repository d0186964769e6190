"""Reminders of overdue invoices: what was sent, what comes next, and holding it (billing B-47)."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BillingAccount, DunningKind, DunningStep, HoldKind, Invoice, StepState
from billing.services.dunning import consequences, holding, sending, standing
from billing.services.dunning.standing import Standing, Stop
from core import clock
from core.money import minor_units
from portal.api.amounts import Amount
from portal.api.resource import Resource, StrictSerializer, found

STOPS = [(word.value, word.value) for word in Stop]


class DunningHoldBody(StrictSerializer):
    kind = serializers.ChoiceField(HoldKind.choices, required=False, default=HoldKind.HOLD.value)
    reason = serializers.CharField(max_length=300)
    until = serializers.DateField(
        required=False, allow_null=True, default=None,
        help_text="The last day of it; needed of a promise. Without one it lasts until it is released",
    )  # fmt: skip


class BlockCardsBody(StrictSerializer):
    reason = serializers.CharField(max_length=300)


class DunningHoldView(serializers.Serializer):
    id = serializers.UUIDField()
    invoice = serializers.UUIDField(source="invoice_id", allow_null=True, help_text="Empty: all of the payer")
    kind = serializers.ChoiceField(HoldKind.choices)
    reason = serializers.CharField()
    until = serializers.DateField(allow_null=True)
    made_by = serializers.CharField()
    made_at = serializers.DateTimeField()


class TakenStepView(serializers.Serializer):
    step = serializers.ChoiceField(DunningKind.choices, source="kind")
    taken_on = serializers.DateField()
    currency = serializers.CharField()
    open_amount = Amount(help_text="Of the invoice, when the step was taken")
    fee = Amount(help_text="What this step asks for beside it")
    status = serializers.ChoiceField(StepState.choices, source="state", help_text="Of its letter")
    detail = serializers.CharField(source="reason")
    sent_at = serializers.DateTimeField(allow_null=True)
    cards_blocked_at = serializers.DateTimeField(allow_null=True)


class InvoiceDunningView(serializers.Serializer):
    steps = TakenStepView(source="taken", many=True)
    fees = serializers.CharField(help_text="Asked for in letters that went out, in the invoice's currency")
    next_step = serializers.ChoiceField(DunningKind.choices, allow_null=True)
    next_on = serializers.DateField(allow_null=True, help_text="A working day")
    stopped_by = serializers.ChoiceField(STOPS, allow_null=True, help_text="Why no step is taken")
    hold = DunningHoldView(allow_null=True)


class PayerDunningView(serializers.Serializer):
    hold = DunningHoldView(allow_null=True, help_text="What holds all invoices of the payer")


class BlockedView(serializers.Serializer):
    blocked = serializers.IntegerField(help_text="Cards of the payer that are refused from now on")


class OfInvoice(Resource):
    """What belongs to one invoice."""

    scopes = {"read": "invoices:read", "write": "invoices:write"}
    serializer_class = InvoiceDunningView

    def invoice(self, pk: UUID) -> Invoice:
        rows = Invoice.objects.visible_to(self.actor).select_related("account__driver", "organization")
        one: Invoice = found(rows, pk)
        return one

    def standing(self, pk: UUID) -> Response:
        invoice = self.invoice(pk)
        return Response(self.represent(_shown(invoice, standing.of(invoice, clock.now()))))


class InvoiceDunning(OfInvoice):
    """Where an invoice stands."""

    scopes = {"read": "invoices:read"}

    @extend_schema(operation_id="get_invoice_dunning")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read the reminders that were sent of an invoice, and which comes next or why none does."""
        return self.standing(pk)


class InvoiceHold(OfInvoice):
    """An invoice is held."""

    scopes = {"write": "invoices:write"}

    @extend_schema(
        operation_id="hold_invoice_dunning", request=DunningHoldBody, responses={201: InvoiceDunningView}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Send no reminder of this invoice: held, promised or disputed."""
        return self.once(lambda: self._hold(pk))

    def _hold(self, pk: UUID) -> Response:
        holding.hold(self.invoice(pk), by=self.actor, **_wanted(self.body(DunningHoldBody)))
        return Response(self.standing(pk).data, status=201)


class InvoiceRelease(OfInvoice):
    """It goes on."""

    scopes = {"write": "invoices:write"}

    @extend_schema(operation_id="release_invoice_dunning", request=None, responses={200: InvoiceDunningView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Let reminders of this invoice go on; a pause is not made up for."""
        return self.once(lambda: self._release(pk))

    def _release(self, pk: UUID) -> Response:
        holding.release(self.invoice(pk), by=self.actor)
        return self.standing(pk)


class InvoiceDunningAgain(OfInvoice):
    """A letter that failed."""

    scopes = {"write": "invoices:write"}

    @extend_schema(
        operation_id="send_invoice_dunning_again", request=None, responses={200: InvoiceDunningView}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Send a reminder again that did not go out."""
        return self.once(lambda: self._again(pk))

    def _again(self, pk: UUID) -> Response:
        sending.again(self.invoice(pk), by=self.actor)
        return self.standing(pk)


class InvoiceBlockCards(OfInvoice):
    """The consequence of a final reminder."""

    scopes = {"write": "tokens:write"}
    serializer_class = BlockedView

    @extend_schema(
        operation_id="block_cards_of_invoice", request=BlockCardsBody, responses={200: BlockedView}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Block the payer's cards after the final reminder; needs `invoices:write` as well. Running sessions go on."""
        return self.once(lambda: self._block(pk))

    def _block(self, pk: UUID) -> Response:
        count = consequences.block_cards(
            self.invoice(pk), reason=self.body(BlockCardsBody)["reason"], by=self.actor
        )
        return Response(self.represent({"blocked": count}))


class OfPayer(Resource):
    """What belongs to one payer."""

    scopes = {"read": "billing-accounts:read", "write": "billing-accounts:write"}
    serializer_class = PayerDunningView

    def account(self, pk: UUID) -> BillingAccount:
        one: BillingAccount = found(BillingAccount.objects.visible_to(self.actor), pk)
        return one

    def standing(self, pk: UUID) -> Response:
        return Response(self.represent({"hold": holding.of_payer(self.account(pk))}))


class PayerDunning(OfPayer):
    """Whether a payer is held."""

    scopes = {"read": "billing-accounts:read"}

    @extend_schema(operation_id="get_payer_dunning")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read whether all invoices of a payer are held."""
        return self.standing(pk)


class PayerHold(OfPayer):
    """All invoices of a payer are held."""

    scopes = {"write": "billing-accounts:write"}

    @extend_schema(
        operation_id="hold_payer_dunning", request=DunningHoldBody, responses={201: PayerDunningView}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Send this payer no reminder of any invoice."""
        return self.once(lambda: self._hold(pk))

    def _hold(self, pk: UUID) -> Response:
        holding.hold(self.account(pk), by=self.actor, **_wanted(self.body(DunningHoldBody)))
        return Response(self.standing(pk).data, status=201)


class PayerRelease(OfPayer):
    """They go on."""

    scopes = {"write": "billing-accounts:write"}

    @extend_schema(operation_id="release_payer_dunning", request=None, responses={200: PayerDunningView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Let reminders to this payer go on."""
        return self.once(lambda: self._release(pk))

    def _release(self, pk: UUID) -> Response:
        holding.release(self.account(pk), by=self.actor)
        return self.standing(pk)


def _wanted(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "kind": HoldKind(body["kind"])}


def _shown(invoice: Invoice, now: Standing) -> dict[str, Any]:
    comes: Any = now.step if now.stop is None else None
    steps: list[DunningStep] = list(now.taken)
    return {
        "taken": steps,
        "fees": f"{now.fees:.{minor_units(invoice.currency)}f}",
        "next_step": comes and comes.kind,
        "next_on": comes and now.on,
        "stopped_by": now.stop,
        "hold": now.hold,
    }
