"""Charge detail records: the list, those that nobody pays, and one with what became of it (billing B-04, B-10)."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from billing.models import BillingAccount, Cdr, InvoiceLine
from billing.services import corrections, payers
from core.access import Actor, Permission
from portal.dashboard import payer_choice
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, page_by_id, render_page

FOUND_AT_MOST = 5000


@require_safe
@operator(Permission.INVOICES_MANAGE)
def listing(request: OperatorRequest) -> HttpResponse:
    """All of them, or with ``?payer=none`` those over an amount that nobody pays."""
    query = {name: request.GET.get(name, "").strip() for name in ("payer", "q", "before")}
    nobody = query["payer"] == "none"
    rows: QuerySet[Cdr] = payers.missing(request.actor) if nobody else Cdr.objects.visible_to(request.actor)
    if words := query["q"]:
        rows = rows.filter(_meant_by(words, request.actor))
    rows = rows.select_related(
        "transaction__station", "reservation__station", "account", "credited_by"
    ).defer("content")
    page = page_by_id(rows, query)
    lines = lines_of([one.pk for one in page.rows])
    context = {
        "section": "invoices",
        "page": page,
        "rows": [(one, lines.get(one.pk)) for one in page.rows],
        "query": query,
        "nobody": nobody,
    }
    return render_page(request, "dashboard/invoices/records.html", context)


def _meant_by(words: str, actor: Actor) -> Q:
    """Payers are found first and named by their ids, so that the search reads no record in vain."""
    payers_found = BillingAccount.objects.visible_to(actor).filter(name__icontains=words)
    keys = list(payers_found.values_list("pk", flat=True)[:FOUND_AT_MOST])
    return Q(reference=words.lower()) | Q(account__in=keys)


@require_safe
@operator(Permission.INVOICES_MANAGE)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    rows = Cdr.objects.visible_to(request.actor).select_related(
        "transaction__station", "transaction__hold", "reservation__station", "site", "account",
        "credit_reference", "credited_by", "replaces", "replaced_by",
    )  # fmt: skip
    record: Cdr = load(rows, pk)
    standing = not record.credit and getattr(record, "credited_by", None) is None
    context = {
        "section": "invoices",
        "record": record,
        "line": lines_of([record.pk]).get(record.pk),
        "standing": standing,
        "ad_hoc": getattr(record.transaction, "hold", None),
        "choices": payer_choice.found(request),
        "asked": request.GET.get("payer", "").strip(),
    }
    return render_page(request, "dashboard/invoices/record.html", context)


@require_POST
@operator(Permission.SESSIONS_CORRECT)
def give(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Say who pays."""
    request.actor.require(Permission.INVOICES_MANAGE)
    record = _load(request, pk)
    made = payers.give(
        record, payer_choice.chosen(request), reason=request.POST.get("reason", ""), by=request.actor
    )
    messages.success(request, _("Given. It is on the next invoice of %(payer)s.") % {"payer": made.account})
    return go(request, address(request, "record", made.pk))


@require_POST
@operator(Permission.SESSIONS_CORRECT)
def credit(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Take it back."""
    made = corrections.credit(_load(request, pk), by=request.actor, reason=request.POST.get("reason", ""))
    messages.success(request, _("Taken back by a record over the same amount."))
    return go(request, address(request, "record", made.pk))


def of_session(session_id: Any, actor: Actor) -> list[tuple[Cdr, InvoiceLine | None]]:
    """What was sealed of a session, each with its place on an invoice, for who may see the organization's money."""
    if not actor.can(Permission.INVOICES_MANAGE):
        return []
    rows = Cdr.objects.visible_to(actor).filter(transaction=session_id).defer("content")
    records = list(rows.select_related("account").order_by("id"))
    lines = lines_of([one.pk for one in records]) if records else {}
    return [(one, lines.get(one.pk)) for one in records]


def lines_of(keys: list[UUID]) -> dict[UUID, InvoiceLine]:
    """The live line of each record, with its invoice."""
    lines = InvoiceLine.objects.filter(cdr__in=keys, voided_at=None).select_related("invoice__account")
    return {line.cdr_id: line for line in lines}


def _load(request: OperatorRequest, pk: UUID) -> Cdr:
    record: Cdr = load(Cdr.objects.visible_to(request.actor), pk)
    return record
