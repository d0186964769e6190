"""The provider's account beside our payments, and what differs (billing B-42)."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from billing.models import ProviderMovement
from billing.services.payments import comparing
from core.access import Permission
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, page_by_id, render_page


@require_safe
@operator(Permission.INVOICES_MANAGE)
def listing(request: OperatorRequest) -> HttpResponse:
    """Differences that nobody has explained, with ``?tab=all`` every booking."""
    tab = request.GET.get("tab", "")
    rows = ProviderMovement.objects.visible_to(request.actor).select_related("payment", "refund")
    shown = rows if tab == "all" else rows.open()
    context = {"section": "payments", "page": page_by_id(shown, request.GET.dict()), "tab": tab}
    return render_page(request, "dashboard/payments/provider_account.html", context)


@require_POST
@operator(Permission.INVOICES_MANAGE)
def explain(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Say what a difference is."""
    row = load(ProviderMovement.objects.visible_to(request.actor), pk)
    comparing.explain(row, request.POST.get("note", ""), by=request.actor)
    messages.success(request, _("Explained. The audit log keeps who did it and why."))
    return go(request, address(request, "provider_account"))
