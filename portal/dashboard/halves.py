"""A session that a restart cut in two: its other half is looked for, looked at, and both become one record (B-06)."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from billing.models import BillingException
from billing.services import exceptions, joining
from core.access import Permission
from core.errors import Conflict
from portal.dashboard.entry import OperatorRequest, go, id_of, load, operator
from portal.dashboard.pages import address, render_page
from stations.models import Transaction


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.SESSIONS_CORRECT)
def page(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Which sessions may be the other half; with ``?other=`` what merging the two would do."""
    exception: BillingException = load(exceptions.visible_to(request.actor), pk)
    if request.method == "POST":
        return _merged(request, exception)
    session = exception.transaction
    context = {"section": "invoices", "exception": exception, "session": session}
    if chosen := request.GET.get("other", ""):
        context.update(_looked_at(request, exception, chosen))
    else:
        context["candidates"] = list(joining.candidates(session, by=request.actor))
    return render_page(request, "dashboard/invoices/halves.html", context)


def _looked_at(request: OperatorRequest, exception: BillingException, chosen: str) -> dict[str, object]:
    other = _other(request, chosen)
    try:
        return {"other": other, "joined": joining.look(exception, other, by=request.actor)}
    except Conflict as why:
        return {"other": other, "obstacle": str(why)}


def _merged(request: OperatorRequest, exception: BillingException) -> HttpResponse:
    other = _other(request, request.POST.get("other", ""))
    joined = joining.merge(exception, other, by=request.actor, reason=request.POST.get("reason", ""))
    messages.success(
        request, _("The two are one session for billing now. The audit log keeps who did it and why.")
    )
    return go(request, address(request, "session", joined.first.pk))


def _other(request: OperatorRequest, key: str) -> Transaction:
    other: Transaction = load(
        Transaction.objects.visible_to(request.actor).select_related("station"), id_of(key)
    )
    return other
