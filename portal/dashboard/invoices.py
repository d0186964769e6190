"""Invoices and credit notes: the list, one with its lines, and what can become of it (billing B-14 to B-17)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from billing.models import (
    AccountException,
    BillingAccount,
    BillingException,
    DocumentType,
    Invoice,
    InvoiceDocument,
    InvoiceKind,
    InvoiceState,
    LedgerEntry,
    Payment,
    Payout,
    Receipt,
    Reconciliation,
    Seller,
    WriteOff,
)
from billing.services import cost_centres, crediting, drafting, issuing, self_billing, uncollectible
from billing.services.payments import allocating
from core.access import Actor, Permission
from core.errors import Invalid
from portal.dashboard import dunning
from portal.dashboard.agreements import date_of
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.invoice_words import INVOICE_STATE
from portal.dashboard.pages import address, page_by_id, render_page

STATES = tuple(word.value for word in InvoiceState)
FOUND_AT_MOST = 5000
LINES_SHOWN = 200


@require_safe
@operator(Permission.INVOICES_MANAGE)
def listing(request: OperatorRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "").strip() for name in ("state", "q", "before")}
    rows = wanted(query, request.actor)
    seller = Seller.objects.filter(pk=request.actor.home).first()
    context = {
        "section": "invoices",
        "page": page_by_id(rows.select_related("account"), query),
        "query": query,
        "states": [(name, INVOICE_STATE[name]) for name in STATES],
        "waiting": BillingException.objects.visible_to(request.actor).open()[:1].exists()
        or AccountException.objects.visible_to(request.actor).open()[:1].exists(),
        "check": Reconciliation.objects.visible_to(request.actor).first(),
        "complete": seller is not None and seller.is_complete,
    }
    return render_page(request, "dashboard/invoices/list.html", context, partial="results")


def wanted(query: Mapping[str, str], actor: Actor) -> QuerySet[Invoice]:
    """Those of the state and the words of the query."""
    rows = Invoice.objects.visible_to(actor)
    if query["state"] in STATES:
        rows = rows.filter(state=query["state"])
    if words := query["q"]:
        rows = rows.filter(_meant_by(words, actor))
    return rows


@require_safe
@operator(Permission.INVOICES_MANAGE)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    rows = Invoice.objects.visible_to(request.actor)
    rows = rows.select_related("account__driver", "credits", "organization")
    invoice: Invoice = load(rows, pk)
    lines = list(
        invoice.items.select_related("cdr__transaction__station", "cdr__reservation__station").order_by(
            "place"
        )[: LINES_SHOWN + 1]
    )
    context = {
        "section": "invoices",
        "invoice": invoice,
        "receipt": Receipt.objects.filter(invoice=invoice).first(),
        "notes": invoice.credit_notes.order_by("id"),
        "lines": lines[:LINES_SHOWN],
        "centres": cost_centres.of(invoice),
        "more": len(lines) > LINES_SHOWN,
        "files": InvoiceDocument.objects.filter(invoice=invoice).order_by("kind"),
        "postings": LedgerEntry.objects.filter(
            Q(journal__invoice=invoice) | Q(journal__write_off__invoice=invoice)
        ).order_by("id"),
        "open_amount": allocating.open_amount(invoice),
        "may_be_given_up": invoice.document_type == DocumentType.INVOICE
        and invoice.kind == InvoiceKind.COLLECTIVE
        and invoice.state in allocating.ASKED_FOR,
        "takes_payments": invoice.document_type == DocumentType.INVOICE and invoice.state in allocating.OWED,
        "given_up": WriteOff.objects.filter(invoice=invoice).exclude(reason="").first()
        if invoice.state == InvoiceState.UNCOLLECTIBLE
        else None,
        "is_credit": invoice.document_type == DocumentType.CREDIT_NOTE,
        "is_statement": invoice.document_type == DocumentType.SELF_BILLED,
        "credit": Payment.objects.filter(credit_note=invoice).first(),
        "set_off": invoice.snapshot.get("set_off", ()),
        "payout": Payout.objects.filter(invoice=invoice).first(),
        "left": _left(invoice, [line.pk for line in lines[:LINES_SHOWN]]),
        **dunning.context_of(invoice, request.actor),
    }
    return render_page(request, "dashboard/invoices/detail.html", context)


@require_POST
@operator(Permission.INVOICES_MANAGE)
def issue(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Give a draft its number."""
    draft = _load(request, pk)
    if request.POST.get("typed", "").strip() != draft.account.name.strip():
        messages.error(request, _("The name was not typed right; nothing was changed."))
        return go(request, address(request, "invoice", pk))
    made = issuing.issue(draft, by=request.actor)
    messages.success(request, _("Issued as %(number)s.") % {"number": made.number})
    return go(request, address(request, "invoice", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def discard(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Give a draft up."""
    drafting.discard(_load(request, pk), by=request.actor)
    messages.success(request, _("Discarded. Its sessions can be invoiced again."))
    return go(request, address(request, "invoice", pk))


@require_POST
@operator(Permission.SESSIONS_REFUND)
def credit(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Take an issued invoice back: what is left of it, or amounts of its lines."""
    parts = _parts(request.POST) if "part" in request.POST else None
    reason = request.POST.get("reason", "")
    note = crediting.credit(_load(request, pk), by=request.actor, reason=reason, parts=parts)
    messages.success(request, _("Taken back by the credit note %(number)s.") % {"number": note.number})
    return go(request, address(request, "invoice", note.pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def pay_out(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Write down that a statement was paid."""
    statement, day = _load(request, pk), date_of(request.POST.get("paid_on", ""), "paid_on")
    self_billing.pay_out(statement, paid_on=day, note=request.POST.get("note", ""), by=request.actor)
    messages.success(request, _("Paid out."))
    return go(request, address(request, "invoice", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def give_up(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Ask for an invoice no more, which stays owed."""
    reason = request.POST.get("reason", "")
    uncollectible.give_up(_load(request, pk), reason=reason, by=request.actor)
    messages.success(request, _("Written off. What is paid for it all the same settles it."))
    return go(request, address(request, "invoice", pk))


def _left(invoice: Invoice, shown: Sequence[int]) -> list[crediting.Left]:
    """Lines of which something can still be taken back."""
    if invoice.document_type != DocumentType.INVOICE or invoice.state not in crediting.CREDITABLE:
        return []
    return [one for one in crediting.left_of(invoice) if one.leading and one.line.pk in shown]


def _parts(posted: Mapping[str, Any]) -> dict[int, Decimal | None]:
    """Amounts that were entered, by line; raises :class:`core.errors.Invalid` for what is none."""
    named = {
        name.removeprefix("line-"): str(posted[name]).strip() for name in posted if name.startswith("line-")
    }
    field = forms.DecimalField(max_digits=19, localize=True)
    try:
        return {int(key): field.clean(text) for key, text in named.items() if text}
    except (ValueError, forms.ValidationError):
        raise Invalid("An amount is above nothing and within reason.", field="lines") from None


def _load(request: OperatorRequest, pk: UUID) -> Any:
    return load(Invoice.objects.visible_to(request.actor), pk)


def _meant_by(words: str, actor: Actor) -> Q:
    """Accounts are found first and named by their ids, so that the search reads no invoice in vain."""
    accounts = BillingAccount.objects.visible_to(actor).filter(name__icontains=words)
    return Q(number__iexact=words) | Q(
        account__in=list(accounts.values_list("pk", flat=True)[:FOUND_AT_MOST])
    )
