"""Search over stations, sessions, drivers and tokens; eight hits, grouped."""

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from core.access import Permission
from drivers.models import Driver, IdToken
from portal.dashboard.entry import OperatorRequest, operator
from portal.dashboard.pages import render_page
from stations.models import ChargingStation, Evse, Transaction

TEMPLATE = "dashboard/search.html"
MOST = 8


@require_safe
@operator(Permission.STATIONS_VIEW)
def search(request: OperatorRequest) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:100]
    context: dict[str, Any] = {"searched": words}
    if len(words) >= 2:
        context.update(_hits(request, words))
    return render_page(request, TEMPLATE, context, partial="hits")


def _hits(request: OperatorRequest, words: str) -> dict[str, Any]:
    actor = request.actor
    by_code = Evse.objects.visible_to(actor).filter(code__iexact=words.replace("*", "")).values("station")
    stations = (
        ChargingStation.objects.visible_to(actor)
        .live()
        .select_related("site", "presence")
        .filter(
            Q(identity__icontains=words)
            | Q(name__icontains=words)
            | Q(serial_number__icontains=words)
            | Q(pk__in=by_code)
        )
    )
    sessions = (
        Transaction.objects.visible_to(actor)
        .select_related("station")
        .filter(Q(reference__iexact=words) | Q(token_value__iexact=words) | Q(pk=_uuid(words)))
    )
    found: dict[str, Any] = {"stations": stations[:MOST], "found_sessions": sessions.order_by("-id")[:4]}
    if actor.can(Permission.DRIVERS_VIEW):
        tokens = IdToken.objects.visible_to(actor).live()
        drivers = Driver.objects.visible_to(actor).live()
        found["drivers"] = drivers.filter(
            Q(name__icontains=words) | Q(email__icontains=words) | Q(reference__iexact=words)
        )[:4]
        found["tokens"] = tokens.filter(Q(value__icontains=words) | Q(label__icontains=words))[:4]
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
