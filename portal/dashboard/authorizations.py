"""The authorization log: why a card was refused, or accepted."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from core.access import Actor, Permission
from drivers.authorization import Verdict
from drivers.models import Driver, IdToken
from portal.dashboard.entry import OperatorRequest, id_of, operator
from portal.dashboard.pages import PAGE_SIZE, page_by_id, render_page
from portal.dashboard.words import ASKED
from stations.models import AuthorizationAnswer, ChargingStation

FILTERS = ("q", "outcome", "asked", "station", "before")
LAST = 20
TEMPLATE = "dashboard/authorizations.html"
NONE = UUID(int=0)
NEEDED = PAGE_SIZE + 1
"""Rows of a page, and one that tells that there are more."""


@require_safe
@operator(Permission.DRIVERS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "").strip() for name in FILTERS}
    if "since" in request.GET and request.htmx:
        return _news(request, query)
    page = page_by_id(_found(request.actor, query), query)
    context: dict[str, Any] = {
        "section": "authorizations",
        "page": page,
        "query": query,
        "asked": ASKED.items(),
        "answers": page.rows,
        "since": page.rows[0].pk if page.rows else NONE,
        "here": _address(query),
    }
    return render_page(request, TEMPLATE, context)


def _news(request: OperatorRequest, query: dict[str, str]) -> HttpResponse:
    """How many answers came since those that the page shows; its rows stay where they are (D-15)."""
    since, here = id_of(request.GET["since"]), {**query, "before": ""}
    newer = _found(request.actor, here).filter(id__gt=since).order_by("-id").values_list("pk", flat=True)
    found = len(newer[:NEEDED])
    context = {
        "query": here,
        "since": since,
        "here": _address(here),
        "news": min(found, PAGE_SIZE),
        "more": found > PAGE_SIZE,
    }
    return render_page(request, TEMPLATE, context, partial="news")


def _address(query: dict[str, str]) -> str:
    return urlencode({name: value for name, value in query.items() if value and name != "before"})


def last_of(actor: Actor, **whose: Any) -> list[AuthorizationAnswer]:
    """The last answers about a token or a driver, newest first."""
    return list(_rows(actor).filter(**whose).order_by("-id")[:LAST])


def _found(actor: Actor, query: dict[str, str]) -> QuerySet[AuthorizationAnswer]:
    answers = _asked_for(_rows(actor), query, actor)
    beyond = _beyond(answers, query["before"]).select_related(None)
    if words := query["q"]:
        return answers.filter(pk__in=_about(words, beyond, actor))
    if text := query["station"]:
        return answers.filter(pk__in=_newest_of(_stations(text, actor), "station", beyond))
    return answers


def _asked_for(
    rows: QuerySet[AuthorizationAnswer], query: dict[str, str], actor: Actor
) -> QuerySet[AuthorizationAnswer]:
    """With the outcome that was asked for, for what, and beside other words at which station."""
    if query["outcome"] == "accepted":
        rows = rows.filter(verdict=Verdict.ACCEPTED.value)
    elif query["outcome"] == "refused":
        rows = rows.exclude(verdict=Verdict.ACCEPTED.value)
    if query["asked"] in ASKED:
        rows = rows.filter(asked=query["asked"])
    if query["q"] and query["station"]:
        rows = rows.filter(station__in=_stations(query["station"], actor))
    return rows


def _about(words: str, answers: QuerySet[AuthorizationAnswer], actor: Actor) -> list[UUID]:
    """The newest answers about a token of that value or label, or a driver of that name; as many as a page needs."""
    tokens = IdToken.objects.filter(organization_id=actor.organization_id, label__icontains=words)
    drivers = Driver.objects.filter(organization_id=actor.organization_id, name__icontains=words)
    of_value = answers.filter(token_value__iexact=words).order_by("-id").values_list("pk", flat=True)
    return _newest(
        (
            *of_value[:NEEDED],
            *_newest_of(tokens, "token", answers),
            *_newest_of(drivers, "driver", answers),
        )
    )


def _newest_of(holders: QuerySet[Any], name: str, answers: QuerySet[AuthorizationAnswer]) -> list[UUID]:
    """The newest answers about any of these, found by the index of each; joined, the whole log would be read.

    The newest n answers are about those n at most whose own newest answer is newest.
    """
    own = answers.filter(**{name: OuterRef("pk")}).order_by("-id").values("id")
    newest = F("newest").desc(nulls_last=True)
    last = holders.order_by().annotate(newest=Subquery(own[:1])).order_by(newest).values("pk")[:NEEDED]
    found = holders.model.objects.filter(pk__in=last).annotate(ids=ArraySubquery(own[:NEEDED]))
    return _newest(key for keys in found.order_by().values_list("ids", flat=True) for key in keys)


def _newest(keys: Iterable[UUID]) -> list[UUID]:
    return sorted(set(keys), reverse=True)[:NEEDED]


def _beyond(answers: QuerySet[AuthorizationAnswer], before: str) -> QuerySet[AuthorizationAnswer]:
    """Older than the row that the page goes on from; a key that is none is refused where the page is made."""
    key = id_of(before)
    return answers.filter(id__lt=key) if key.int else answers


def _rows(actor: Actor) -> QuerySet[AuthorizationAnswer]:
    return AuthorizationAnswer.objects.visible_to(actor).select_related("station", "token", "driver")


def _stations(text: str, actor: Actor) -> QuerySet[ChargingStation]:
    """By id, as links do, or by a part of what the station is called, as people do."""
    stations = ChargingStation.objects.visible_to(actor)
    if (key := id_of(text)).int:
        return stations.filter(pk=key)
    return stations.filter(Q(identity__icontains=text) | Q(name__icontains=text))
