"""A driver's own cards and tokens: which there are, and blocking one at once."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from drivers.models import IdToken, TokenStatus
from drivers.services import tokens as token_service
from portal.driver.entry import DriverRequest, actor_for, load, own


def own_tokens(request: DriverRequest) -> QuerySet[IdToken]:
    """The person's live tokens at every operator."""
    rows = IdToken.objects.live().filter(driver__in=request.drivers)
    return rows.select_related("driver__organization").order_by("id")


@require_safe
@own
def listing(request: DriverRequest) -> HttpResponse:
    cards = [
        (token, token.effective_status(), TokenStatus(token.effective_status()).label)
        for token in own_tokens(request)
    ]
    return render(request, "driver/cards.html", {"cards": cards, "here": "cards"})


@require_http_methods(["GET", "HEAD", "POST"])
@own
def block(request: DriverRequest, pk: Any) -> HttpResponse:
    token = load(own_tokens(request), pk)
    if request.method == "POST":
        driver = next(one for one in request.drivers if one.pk == token.driver_id)
        token_service.block_own(token, driver=driver, by=actor_for(request, driver))
        return redirect("driver:cards")
    return render(request, "driver/block.html", {"token": token, "here": "cards"})
