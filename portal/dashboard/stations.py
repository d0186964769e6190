"""The list of stations: search, filter, one row per station that refreshes itself."""

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Prefetch, Q, QuerySet
from django.db.models.functions import JSONObject
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from core.access import Actor, Permission
from portal.dashboard.entry import OperatorRequest, figures, load, operator
from portal.dashboard.pages import PAGE_SIZE, Page, render_page
from portal.dashboard.words import STATUS
from stations.domain.words import Version
from stations.models import ChargingStation, Connector, Evse, Site

FACETS = ("charging", "available", "plugged_in", "paused", "reserved", "faulted", "unavailable", "offline")
SHOWN = (
    "identity", "name", "vendor", "model", "security_profile", "boot_version", "max_power_w", "site__name",
    "presence__connected", "presence__ocpp_version", "presence__last_seen_at",
)  # fmt: skip
SHOWN_OF_EVSE = ("station_id", "evse_id", "power_w", "active__status", "active__charging_state")
TEMPLATE = "dashboard/stations/list.html"


@require_safe
@operator(Permission.STATIONS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "").strip() for name in ("q", "status", "site", "version", "after")}
    visible = ChargingStation.objects.visible_to(request.actor).live()
    counts = figures(request.actor, _beside_the_list)
    request.place.counts = counts
    context = {
        "section": "stations",
        "page": page_by_identity(filtered(visible, query), query),
        "query": query,
        "filtering": any(query[name] for name in ("q", "status", "site", "version")),
        "facets": [_facet(status, counts, query) for status in FACETS],
        "sites": [json.loads(site) for site in counts["sites"]],
        "versions": [version.value for version in Version],
    }
    return render_page(request, TEMPLATE, context, partial="results")


@require_safe
@operator(Permission.STATIONS_VIEW)
def row(request: OperatorRequest, pk: UUID) -> HttpResponse:
    return render_page(request, TEMPLATE, {"station": one_with_evses(request, pk)}, partial="row")


def with_evses(stations: QuerySet[ChargingStation]) -> QuerySet[ChargingStation]:
    """With presence and site, and ``shown_evses`` with their sessions and connectors, in three queries."""
    evses = Evse.objects.select_related("active").prefetch_related("connectors")
    shown = Prefetch("evses", evses, to_attr="shown_evses")
    return stations.select_related("presence", "site").prefetch_related(shown)


def _rows(stations: QuerySet[ChargingStation]) -> QuerySet[ChargingStation]:
    """As :func:`with_evses`, with no more columns than a row shows."""
    connectors = Prefetch("connectors", Connector.objects.only("evse_id", "status"))
    evses = Evse.objects.select_related("active").only(*SHOWN_OF_EVSE).prefetch_related(connectors)
    shown = Prefetch("evses", evses, to_attr="shown_evses")
    return stations.select_related("presence", "site").only(*SHOWN).prefetch_related(shown)


def one_with_evses(request: OperatorRequest, pk: UUID) -> ChargingStation:
    """As :func:`with_evses`, for one station in two queries where it has told its EVSEs."""
    rows = Evse.objects.visible_to(request.actor).filter(station_id=pk)
    evses = list(
        rows.select_related(
            "active__token", "active__charging_plan", "station__presence", "station__site"
        ).prefetch_related("connectors")
    )
    if not evses:
        return load(with_evses(ChargingStation.objects.visible_to(request.actor)), pk)
    station = evses[0].station
    station.shown_evses = evses
    return station


def filtered(stations: Any, query: dict[str, str]) -> QuerySet[ChargingStation]:
    """The stations that match search and filters of the query string; unknown values match nothing."""
    if words := query["q"]:
        stations = stations.filter(
            Q(identity__icontains=words)
            | Q(name__icontains=words)
            | Q(serial_number__icontains=words)
            | Q(site__name__icontains=words)
            | Q(pk__in=Evse.objects.filter(code__iexact=words.replace("*", "")).values("station"))
        )
    if query["status"] in STATUS:
        stations = stations.with_evse_in(query["status"])
    if site := _uuid(query["site"]):
        stations = stations.filter(site_id=site)
    if query["version"]:
        stations = stations.filter(presence__ocpp_version=query["version"])
    return stations


def page_by_identity(stations: QuerySet[ChargingStation], query: dict[str, str]) -> Page:
    """By identity; ``after`` in the query is the last one of the page before."""
    kept = {name: value for name, value in query.items() if value and name != "after"}
    if query["after"]:
        stations = stations.filter(identity__gt=query["after"])
    some = list(_rows(stations).order_by("identity")[: PAGE_SIZE + 1])
    more = len(some) > PAGE_SIZE
    older = urlencode({**kept, "after": some[PAGE_SIZE - 1].identity}) if more else ""
    return Page(some[:PAGE_SIZE], older, urlencode(kept) or "-" if query["after"] else "")


def _facet(status: str, counts: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
    """One chip: pressed again, it takes its filter away."""
    chosen = query["status"] == status
    kept = {name: value for name, value in query.items() if value and name not in ("after", "status")}
    address = urlencode(kept if chosen else {**kept, "status": status})
    return {
        "status": status,
        "word": STATUS[status],
        "count": counts[f"is_{status}"],
        "chosen": chosen,
        "query": address,
    }


def _beside_the_list(actor: Actor) -> dict[str, Any]:
    visible = ChargingStation.objects.visible_to(actor).live()
    by_status = {f"is_{status}": visible.with_evse_in(status) for status in FACETS}
    return {"sites": ArraySubquery(_sites(actor)), **by_status}


def _sites(actor: Actor) -> QuerySet[Any]:
    sites = Site.objects.visible_to(actor).live().order_by("name")
    return sites.values(found=JSONObject(id="id", name="name"))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
