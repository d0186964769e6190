"""Overview: is the network fine, and what to do next."""

from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from core import clock
from core.access import Actor, Permission
from portal.dashboard.entry import OperatorRequest, operator
from portal.dashboard.pages import render_page
from stations.models import Alert, ChargingStation, Evse, Transaction

PARTS = frozenset({"tiles", "attention", "active"})
TEMPLATE = "dashboard/overview.html"


@require_safe
@operator(Permission.STATIONS_VIEW)
def overview(request: OperatorRequest) -> HttpResponse:
    part = request.GET.get("part", "")
    actor = request.actor
    context: dict[str, Any] = {"section": "overview"}
    if part in ("", "tiles"):
        context["tiles"] = tiles(actor, ZoneInfo(request.place.organization.time_zone))
    if part in ("", "attention"):
        context["alerts"] = open_alerts(actor)[:8]
    if part in ("", "active"):
        context["active"] = active_sessions(actor)[:12]
    return render_page(request, TEMPLATE, context, partial=part if part in PARTS else "")


def tiles(actor: Actor, zone: ZoneInfo) -> dict[str, Any]:
    """The figures of the tiles, in four queries whatever the number of stations."""
    connected = Q(presence__connected=True)
    stations = (
        ChargingStation.objects.visible_to(actor)
        .live()
        .aggregate(
            total=Count("pk"),
            online=Count("pk", filter=connected),
            enabled=Count("pk", filter=Q(enabled=True)),
        )
    )
    evses = Evse.objects.visible_to(actor).filter(station__retired_at=None, station__presence__connected=True)
    figures = evses.aggregate(
        charging=Count("pk", filter=Q(active__status="active"), distinct=True),
        faulted=Count("pk", filter=Q(connectors__status="Faulted"), distinct=True),
    )
    power = evses.filter(active__status="active").aggregate(power_w=Sum("power_w"))
    midnight = clock.now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    today = (
        Transaction.objects.visible_to(actor)
        .filter(started_at__gte=midnight)
        .aggregate(
            energy_today=Sum("energy_wh"),
            sessions=Count("pk"),
            plugged=Count("pk", filter=Q(energy_wh__gt=0)),
        )
    )
    return {**stations, **figures, **power, **today}


def open_alerts(actor: Actor) -> QuerySet[Alert]:
    """Open and not acknowledged, the worst first."""
    return (
        Alert.objects.visible_to(actor)
        .filter(cleared_at=None, acknowledged_at=None)
        .select_related("station")
        .worst_first()
    )


def active_sessions(actor: Actor) -> QuerySet[Transaction]:
    return (
        Transaction.objects.visible_to(actor)
        .filter(status="active")
        .select_related("station__presence", "evse", "site", "token")
        .order_by("-started_at")
    )
