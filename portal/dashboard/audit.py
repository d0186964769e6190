"""Audit log: who did what, when, from where."""

from django.db.models import Q
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from core.access import Permission
from core.models import AuditEntry
from core.services import audit_chain
from portal.dashboard.entry import OperatorRequest, operator
from portal.dashboard.pages import page_by_id, page_searched, render_page


@require_safe
@operator(Permission.AUDIT_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "").strip() for name in ("q", "before")}
    rows = AuditEntry.objects.visible_to(request.actor)
    page = page_searched(rows, _about(query["q"]), query) if query["q"] else page_by_id(rows, query)
    context = {"section": "audit", "page": page, "query": query}
    context["check"] = audit_chain.last_check()
    return render_page(request, "dashboard/audit.html", context)


def _about(words: str) -> Q:
    return (
        Q(actor__icontains=words)
        | Q(action__icontains=words)
        | Q(object_label__icontains=words)
        | Q(object_id=words)
        | Q(request_id=words)
    )
