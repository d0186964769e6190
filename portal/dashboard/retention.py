"""How long data are kept, what a legal hold keeps longer, and what went (billing B-65, B-66)."""

from collections.abc import Mapping
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from billing.models import LegalHold, RetentionReport
from billing.services.retention import holds, terms
from core import clock
from core.access import Permission
from portal.dashboard import payer_choice
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, render_page

SHOWN = 60
COUNTED: Mapping[str, str | Promise] = {
    "invoices": gettext_lazy("invoices"),
    "payments": gettext_lazy("payments"),
    "records": gettext_lazy("records"),
    "files": gettext_lazy("files"),
    "sessions": gettext_lazy("sessions"),
    "reservations": gettext_lazy("reservations"),
    "commands": gettext_lazy("commands"),
    "orphans": gettext_lazy("stops without a session"),
    "conflicts": gettext_lazy("contradicting messages"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_SETTINGS)
def overview(request: OperatorRequest) -> HttpResponse:
    """Terms, holds and reports; POST places a hold, of one payer where the form names one."""
    request.actor.require_everywhere(Permission.ORG_SETTINGS)
    organization = request.place.organization
    if request.method == "POST":
        account = payer_choice.chosen(request) if "account" in request.POST else None
        reason = request.POST.get("reason", "")
        holds.place(organization, account=account, reason=reason, by=request.actor)
        messages.success(request, _("Nothing of this goes until the hold is lifted."))
        return go(request, address(request, "retention"))
    reports = RetentionReport.objects.visible_to(request.actor)[:SHOWN]
    context = {
        "section": "retention",
        "before": terms.before(organization, clock.now().date()),
        "days": settings.PERSON_DATA_DAYS,
        "holds": holds.standing(organization).select_related("account"),
        "reports": [(one, _counted(one)) for one in reports],
        "asked": request.GET.get("payer", "").strip(),
        "choices": payer_choice.found(request),
    }
    return render_page(request, "dashboard/retention.html", context)


@require_POST
@operator(Permission.ORG_SETTINGS)
def lift(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Let the terms count again."""
    hold: LegalHold = load(LegalHold.objects.visible_to(request.actor), pk)
    holds.lift(hold, reason=request.POST.get("reason", ""), by=request.actor)
    messages.success(request, _("Lifted. The terms count again."))
    return go(request, address(request, "retention"))


def _counted(report: RetentionReport) -> list[tuple[int, str | Promise]]:
    return [(count, COUNTED.get(name, name)) for name, count in sorted(report.counts.items())]
