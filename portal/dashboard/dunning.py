"""Dunning of one invoice and of one payer: hold, release, send again, and the consequence (billing B-47)."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from billing.models import BillingAccount, DocumentType, DunningHold, HoldKind, Invoice, InvoiceKind
from billing.services.dunning import consequences, holding, sending, standing
from core import clock
from core.access import Actor, Permission
from core.errors import Invalid
from portal.dashboard.dunning_words import STOP
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address


def context_of(invoice: Invoice, actor: Actor) -> dict[str, Any]:
    """What the invoice's page shows of it; nothing for what is never dunned."""
    is_claim = invoice.document_type == DocumentType.INVOICE and invoice.kind == InvoiceKind.COLLECTIVE
    if not is_claim or not invoice.number:
        return {}
    found = standing.of(invoice, clock.now())
    may_block = found.stop not in (standing.Stop.NOT_OWED, None) and actor.can_everywhere(
        Permission.DRIVERS_MANAGE
    )
    return {
        "dunning": found,
        "dunning_stop": STOP.get(found.stop or "", ""),
        "hold_kinds": HoldKind.choices,
        "failed": any(one.state == "failed" for one in found.taken),
        "blockable": len(consequences.cards_of(invoice))
        if may_block and consequences.final_of(invoice)
        else 0,
    }


def context_of_payer(account: BillingAccount) -> dict[str, Any]:
    return {"hold": holding.of_payer(account), "hold_kinds": HoldKind.choices}


@require_POST
@operator(Permission.INVOICES_MANAGE)
def hold(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Remind of this invoice no more for now."""
    _hold(request, _invoice(request, pk))
    return go(request, address(request, "invoice", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def release(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Let it go on."""
    holding.release(_invoice(request, pk), by=request.actor)
    messages.success(request, _("Released. Reminders go on."))
    return go(request, address(request, "invoice", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def again(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Send a reminder that did not go out."""
    sending.again(_invoice(request, pk), by=request.actor)
    messages.success(request, _("It is sent again within minutes."))
    return go(request, address(request, "invoice", pk))


@require_POST
@operator(Permission.DRIVERS_MANAGE)
def block_cards(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The consequence of a final reminder."""
    reason = request.POST.get("reason", "")
    count = consequences.block_cards(_invoice(request, pk), reason=reason, by=request.actor)
    told = ngettext("%(n)s card is blocked.", "%(n)s cards are blocked.", count)
    messages.success(request, told % {"n": count})
    return go(request, address(request, "invoice", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def hold_payer(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Remind the payer of nothing for now."""
    _hold(request, _account(request, pk))
    return go(request, address(request, "account", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def release_payer(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Let it go on."""
    holding.release(_account(request, pk), by=request.actor)
    messages.success(request, _("Released. Reminders go on."))
    return go(request, address(request, "account", pk))


def _hold(request: OperatorRequest, thing: Invoice | BillingAccount) -> DunningHold:
    kind, day = request.POST.get("kind", ""), request.POST.get("until", "").strip()
    if kind not in HoldKind.values:
        raise Invalid("Say whether it is held, promised or disputed.", field="kind")
    try:
        until = parse_date(day) if day else None
    except ValueError:
        until = None
    if day and until is None:
        raise Invalid("This is not a day.", field="until")
    made = holding.hold(
        thing, HoldKind(kind), reason=request.POST.get("reason", ""), until=until, by=request.actor
    )
    messages.success(request, _("Noted. No reminder is sent meanwhile."))
    return made


def _invoice(request: OperatorRequest, pk: UUID) -> Invoice:
    rows = Invoice.objects.visible_to(request.actor).select_related("account__driver", "organization")
    invoice: Invoice = load(rows, pk)
    return invoice


def _account(request: OperatorRequest, pk: UUID) -> BillingAccount:
    account: BillingAccount = load(BillingAccount.objects.visible_to(request.actor), pk)
    return account
