"""Sessions that no invoice can take by itself, and accounts that no run could invoice (billing B-06, B-34)."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from billing.models import AccountException, BillingException, Decision
from billing.services import exceptions
from core.access import Permission
from core.errors import Invalid
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.invoice_words import DECISIONS
from portal.dashboard.pages import address, page_by_id, render_page


@require_safe
@operator(Permission.INVOICES_MANAGE)
def listing(request: OperatorRequest) -> HttpResponse:
    """Sessions that wait, with ``?tab=decided`` those that are decided, with ``?tab=accounts`` accounts."""
    tab = request.GET.get("tab", "")
    if tab == "accounts":
        return _accounts(request)
    rows = exceptions.visible_to(request.actor)
    rows = rows.exclude(decision="") if tab == "decided" else rows.filter(decision="")
    context = {
        "section": "invoices",
        "page": page_by_id(rows, request.GET.dict()),
        "tab": tab,
        "decisions": DECISIONS,
    }
    return render_page(request, "dashboard/invoices/exceptions.html", context)


def _accounts(request: OperatorRequest) -> HttpResponse:
    """Payers that a month end could not invoice; the run that does closes them."""
    rows = AccountException.objects.visible_to(request.actor).open().select_related("account")
    context = {"section": "invoices", "page": page_by_id(rows, request.GET.dict()), "tab": "accounts"}
    return render_page(request, "dashboard/invoices/exceptions.html", context)


@require_POST
@operator(Permission.SESSIONS_CORRECT)
def decide(request: OperatorRequest, pk: UUID) -> HttpResponse:
    exception = load(BillingException.objects.visible_to(request.actor), pk)
    if request.POST.get("decision", "") not in DECISIONS:
        raise Invalid(_("Choose what to do."), field="decision")
    decision = Decision(request.POST["decision"])
    told = {name: request.POST.get(name, "") for name in ("reason", "consent")}
    exceptions.resolve(exception, decision, by=request.actor, **told)
    messages.success(request, _("Decided. The audit log keeps who did it and why."))
    return go(request, address(request, "invoice_exceptions"))
