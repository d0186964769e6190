"""A driver's own cards and tokens: which there are, naming one, blocking one at once."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from drivers.models import IdToken, TokenStatus
from drivers.services import tokens as token_service
from portal.driver.entry import DriverRequest, actor_for, load, own

AT_ONCE = 50


def own_tokens(request: DriverRequest) -> QuerySet[IdToken]:
    """The person's live tokens at every operator."""
    rows = IdToken.objects.live().filter(driver__in=request.drivers)
    return rows.select_related("driver__organization").order_by("id")


@require_safe
@own
def listing(request: DriverRequest) -> HttpResponse:
    rows = list(_beyond(own_tokens(request), request)[: AT_ONCE + 1])
    cards = [
        (token, token.effective_status(), TokenStatus(token.effective_status()).label)
        for token in rows[:AT_ONCE]
    ]
    more = rows[AT_ONCE - 1].pk if len(rows) > AT_ONCE else ""
    return render(request, "driver/cards.html", {"cards": cards, "more": more, "here": "cards"})


@require_http_methods(["GET", "HEAD", "POST"])
@own
def block(request: DriverRequest, pk: Any) -> HttpResponse:
    token = load(own_tokens(request), pk)
    if request.method == "POST":
        driver = next(one for one in request.drivers if one.pk == token.driver_id)
        token_service.block_own(token, driver=driver, by=actor_for(request, driver))
        return redirect("driver:cards")
    return render(request, "driver/block.html", {"token": token, "here": "cards"})


@require_http_methods(["GET", "HEAD", "POST"])
@own
def rename(request: DriverRequest, pk: Any) -> HttpResponse:
    token = load(own_tokens(request), pk)
    if request.method == "POST":
        driver = next(one for one in request.drivers if one.pk == token.driver_id)
        name = request.POST.get("name", "")
        token_service.name_own(token, name, driver=driver, by=actor_for(request, driver))
        return redirect("driver:cards")
    return render(request, "driver/card.html", {"token": token, "here": "cards"})


def _beyond(tokens: QuerySet[IdToken], request: DriverRequest) -> QuerySet[IdToken]:
    """What comes after the card that ``after`` names; all where it names none."""
    try:
        return tokens.filter(pk__gt=UUID(request.GET.get("after", "")))
    except ValueError:
        return tokens
