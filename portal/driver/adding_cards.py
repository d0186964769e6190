"""Adding a card: its printed number, then the card held to the charger one stands at, within ten minutes."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from core.errors import DomainError, Invalid
from drivers.models import CardRegistration, CardRegistrationState
from portal.driver import chargers
from portal.driver.entry import DriverRequest, actor_for, load, own
from stations.models import Evse
from stations.services import card_registering


@require_http_methods(["GET", "HEAD", "POST"])
@own
def begin(request: DriverRequest) -> HttpResponse:
    if request.method != "POST":
        return _form(request, {"code": request.GET.get("code", "")})
    typed = {name: request.POST.get(name, "")[:100] for name in ("number", "code", "name")}
    try:
        waiting = _begun(request, typed)
    except DomainError as error:
        return _form(request, typed, error)
    return redirect("driver:card_waiting", waiting.pk)


@require_safe
@own
def waiting(request: DriverRequest, pk: UUID) -> HttpResponse:
    """How far it is: a job looks for the card every ten seconds (`stations.services.card_registering`)."""
    own_ones = CardRegistration.objects.filter(driver__in=request.drivers)
    one: CardRegistration = load(own_ones.select_related("token"), pk)
    evse = (
        Evse.objects.filter(station=one.station).select_related("station__site").order_by("evse_id").first()
    )
    context = {
        "one": one,
        "evse": evse,
        "zone": evse.station.site.time_zone if evse and evse.station.site else "UTC",
        "changing": one.state == CardRegistrationState.OPEN,
        "here": "cards",
    }
    return render(request, "driver/card_waiting.html", context)


def _begun(request: DriverRequest, typed: dict[str, str]) -> CardRegistration:
    evse = chargers.evse_of(typed["code"])
    if evse is None:
        raise Invalid(_("We do not know this code."), field="code")
    operator = evse.station.organization_id
    driver = next((one for one in request.drivers if one.organization_id == operator), None)
    if driver is None:
        raise Invalid(_("You have no account with the operator of this charger."), field="code")
    return card_registering.begin(
        driver,
        number=typed["number"],
        station=evse.station,
        label=typed["name"],
        by=actor_for(request, driver),
    )


def _form(request: DriverRequest, typed: dict[str, Any], error: DomainError | None = None) -> HttpResponse:
    context = {"typed": typed, "error": error, "here": "cards"}
    return render(request, "driver/card_new.html", context, status=422 if error else 200)
