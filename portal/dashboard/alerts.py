"""Alerts: what needs a person; acknowledged, not hidden."""

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_POST, require_safe

from core.access import Permission
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, page_by_id, render_page
from stations.models import Alert
from stations.services import alerts

TEMPLATE = "dashboard/alerts.html"


@require_safe
@operator(Permission.ALERTS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    return _page(request)


@require_POST
@operator(Permission.ALERTS_ACK)
def acknowledge(request: OperatorRequest, pk: UUID) -> HttpResponse:
    alert = load(Alert.objects.visible_to(request.actor).select_related("station"), pk)
    alerts.acknowledge(alert, by=request.actor)
    if not request.htmx:
        return go(request, address(request, "alerts"))
    return _page(request)


def _page(request: OperatorRequest) -> HttpResponse:
    closed = request.GET.get("tab") == "closed"
    rows = Alert.objects.visible_to(request.actor).filter(cleared_at__isnull=not closed)
    page = page_by_id(rows.select_related("station__site"), request.GET.dict())
    context = {"section": "alerts", "page": page, "closed": closed}
    return render_page(request, TEMPLATE, context, partial="results")
