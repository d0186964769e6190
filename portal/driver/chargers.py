"""`/c/<code>`: the page behind a charger's QR code, for anybody; and the field to type a code."""

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from core import clock
from drivers.models import Driver, IdToken, TokenStatus
from portal.driver import prices, words
from portal.driver.entry import drivers_of, public
from stations.domain.words import ConnectorStatus
from stations.models import Evse
from stations.services.driving import STARTABLE

SPACING = re.compile(r"[\s*-]+")
LONGEST_CODE = 48


@require_safe
@public
def find(request: HttpRequest) -> HttpResponse:
    code = SPACING.sub("", request.GET.get("code", ""))[:LONGEST_CODE]
    if code.isalnum() and code.isascii():
        return redirect("charger", code)
    return render(request, "driver/find.html", {"asked": bool(code)})


@require_safe
@public
def show(request: HttpRequest, code: str) -> HttpResponse:
    evse = evse_of(code)
    if evse is None:
        return render(request, "driver/find.html", {"unknown": code[:LONGEST_CODE]}, status=404)
    response = render(request, "driver/charger.html", _context(request, evse))
    response["Cache-Control"] = "private, no-store"
    return response


def evse_of(code: str) -> Evse | None:
    """The EVSE of that code, typed in any case, with or without stars, dashes and spaces."""
    plain = SPACING.sub("", code).upper()
    if not plain or len(plain) > LONGEST_CODE or "\x00" in plain:
        return None
    rows = Evse.objects.filter(station__retired_at=None, station__site__retired_at=None)
    rows = rows.select_related("station__site", "station__presence", "station__organization", "active")
    return rows.prefetch_related("connectors").filter(code=plain).first()


def tokens_for(driver: Driver) -> list[IdToken]:
    """The driver's cards that are accepted now."""
    tokens = IdToken.objects.live().filter(driver=driver).select_related("driver").order_by("id")
    return [token for token in tokens if token.effective_status() == TokenStatus.ACCEPTED]


def _context(request: HttpRequest, evse: Evse) -> dict[str, Any]:
    known = drivers_of(request)
    driver = next((one for one in known if one.organization_id == evse.station.organization_id), None)
    session = evse.active
    own = session if session is not None and session.driver_id in {one.pk for one in known} else None
    told = words.state_of(evse) if evse.station.enabled else words.STATE[ConnectorStatus.UNAVAILABLE]
    return {
        "evse": evse,
        "station": evse.station,
        "site": evse.station.site,
        "told": told,
        "since": session.started_at if session is not None and told is words.IN_USE else None,
        "own_session": own,
        "driver": driver,
        "tokens": tokens_for(driver) if driver else [],
        "may_start": session is None and evse.state in STARTABLE and evse.station.enabled,
        "power_kw": (prices.power_w(evse) or 0) / 1000,
        "prices": prices.cards_of(evse, clock.now(), driver),
    }
