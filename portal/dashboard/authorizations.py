"""The authorization log: why a card was refused, or accepted."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from core.access import Actor, Permission
from drivers.authorization import Verdict
from drivers.models import Driver, IdToken
from portal.dashboard.entry import OperatorRequest, operator
from portal.dashboard.pages import page_by_id, render_page
from portal.dashboard.words import ASKED
from stations.models import AuthorizationAnswer, ChargingStation

FILTERS = ("q", "outcome", "asked", "station", "before")
LAST = 20
FOUND_AT_MOST = 5000


@require_safe
@operator(Permission.DRIVERS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "").strip() for name in FILTERS}
    page = page_by_id(_found(request.actor, query), query)
    context: dict[str, Any] = {
        "section": "authorizations",
        "page": page,
        "query": query,
        "asked": ASKED.items(),
        "answers": page.rows,
    }
    return render_page(request, "dashboard/authorizations.html", context)


def last_of(actor: Actor, **whose: Any) -> list[AuthorizationAnswer]:
    """The last answers about a token or a driver, newest first."""
    return list(_rows(actor).filter(**whose).order_by("-id")[:LAST])


def _found(actor: Actor, query: dict[str, str]) -> QuerySet[AuthorizationAnswer]:
    rows = _rows(actor)
    if words := query["q"]:
        rows = rows.filter(_about(words, actor))
    if query["outcome"] == "accepted":
        rows = rows.filter(verdict=Verdict.ACCEPTED.value)
    elif query["outcome"] == "refused":
        rows = rows.exclude(verdict=Verdict.ACCEPTED.value)
    if query["asked"] in ASKED:
        rows = rows.filter(asked=query["asked"])
    if query["station"]:
        rows = rows.filter(_station(query["station"], actor))
    return rows


def _about(words: str, actor: Actor) -> Q:
    """Tokens and drivers are found first and named by their ids: joined, the search would read the whole log."""
    tokens = IdToken.objects.filter(organization_id=actor.organization_id, label__icontains=words)
    drivers = Driver.objects.filter(organization_id=actor.organization_id, name__icontains=words)
    return (
        Q(token_value__iexact=words)
        | Q(token__in=list(tokens.values_list("pk", flat=True)[:FOUND_AT_MOST]))
        | Q(driver__in=list(drivers.values_list("pk", flat=True)[:FOUND_AT_MOST]))
    )


def _rows(actor: Actor) -> QuerySet[AuthorizationAnswer]:
    return AuthorizationAnswer.objects.visible_to(actor).select_related("station", "token", "driver")


def _station(text: str, actor: Actor) -> Q:
    """By id, as links do, or by a part of what the station is called, as people do."""
    try:
        return Q(station=UUID(text))
    except ValueError:
        stations = ChargingStation.objects.visible_to(actor).filter(
            Q(identity__icontains=text) | Q(name__icontains=text)
        )
        return Q(station__in=list(stations.values_list("pk", flat=True)[:FOUND_AT_MOST]))
