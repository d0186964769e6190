"""Bank statements: taken in, matched by reference, the rest decided by a person (billing B-46)."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.models import BankLine, BankStatement, LineState
from billing.services.payments import matching
from core.access import Permission
from core.errors import Invalid
from portal.dashboard import payer_choice
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, page_by_id, render_page

LARGEST = 10 * 1024 * 1024
WAITING = (LineState.OPEN, LineState.PROPOSED)


@require_safe
@operator(Permission.INVOICES_MANAGE)
def listing(request: OperatorRequest) -> HttpResponse:
    """Bookings that wait, with ``?tab=decided`` the others, with ``?tab=files`` the statements taken in."""
    tab = request.GET.get("tab", "")
    if tab == "files":
        rows = BankStatement.objects.visible_to(request.actor)
    else:
        lines = BankLine.objects.visible_to(request.actor).select_related("proposed__account", "payment")
        rows = lines.exclude(state__in=WAITING) if tab == "decided" else lines.filter(state__in=WAITING)
    context = {"section": "payments", "page": page_by_id(rows, request.GET.dict()), "tab": tab}
    return render_page(request, "dashboard/payments/bank.html", context)


@require_POST
@operator(Permission.INVOICES_MANAGE)
def take_in(request: OperatorRequest) -> HttpResponse:
    """Read a camt.053 or CSV file; known bookings are not booked again."""
    request.actor.require_everywhere(Permission.INVOICES_MANAGE)
    file = request.FILES.get("file")
    if file is None:
        raise Invalid(_("Choose a file first."), field="file")
    made = matching.take_in(
        request.place.organization, file.name or "", file.read(LARGEST + 1), by=request.actor
    )
    told = _("%(new)s bookings are new, %(known)s were known already.")
    messages.success(request, told % {"new": made.lines_new, "known": made.lines_known})
    return go(request, address(request, "bank"))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def decide(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Confirm the invoice that a booking pays, or say that it is none of ours."""
    line = _load(request, pk)
    if request.POST.get("act") == "leave":
        matching.leave(line, reason=request.POST.get("reason", ""), by=request.actor)
    else:
        invoice = matching.invoice_named(line.organization_id, request.POST.get("invoice", ""))
        matching.confirm(line, invoice, by=request.actor)
    messages.success(request, _("Decided. The audit log keeps who did it and why."))
    return go(request, address(request, "bank"))


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.INVOICES_MANAGE)
def payer(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Say who paid, though no invoice is meant: the money stays as that payer's credit."""
    line = _load(request, pk)
    if request.method == "POST":
        decided = matching.give_to(line, payer_choice.chosen(request), by=request.actor)
        messages.success(request, _("Decided. It stays as the payer's credit."))
        return go(request, address(request, "payment", decided.payment_id))
    context = {
        "section": "payments",
        "line": line,
        "choices": payer_choice.found(request),
        "asked": request.GET.get("payer", "").strip(),
    }
    return render_page(request, "dashboard/payments/bank_payer.html", context)


def _load(request: OperatorRequest, pk: UUID) -> BankLine:
    line: BankLine = load(BankLine.objects.visible_to(request.actor), pk)
    return line
