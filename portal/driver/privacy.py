"""What is kept of the person: to take along, and to have deleted (driver 7, security W-29, billing B-67)."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.services import driver_export
from billing.services import erasing as of_money
from core.errors import NotFound
from drivers.models import Driver, Erasure, ErasureState
from drivers.services import erasing
from portal.accounts import recently_proven
from portal.downloads import archived
from portal.driver.entry import DriverRequest, actor_for, own, require_patience


@require_safe
@own
def details(request: DriverRequest) -> HttpResponse:
    asked = Erasure.objects.filter(driver__in=request.drivers, state=ErasureState.ASKED)
    by_driver = {one.driver_id: one for one in asked}
    drivers = [(driver, by_driver.get(driver.pk)) for driver in request.drivers]
    context = {"drivers": drivers, "proven": recently_proven(request), "here": "details"}
    return render(request, "driver/details.html", context)


@require_POST
@own
def export(request: DriverRequest, pk: UUID) -> HttpResponseBase:
    """The zip, made while it is sent; who has not given the password just now gives it first."""
    driver = _own_driver(request, pk)
    if not recently_proven(request):
        return _prove_first(reverse("driver:details"))
    require_patience(driver, "export")
    actor = actor_for(request, driver)
    pieces = driver_export.archive(driver, by=actor)
    return archived(request, pieces, filename="charging-data.zip", by=actor)


@require_http_methods(["GET", "HEAD", "POST"])
@own
def erase(request: DriverRequest, pk: UUID) -> HttpResponse:
    """Ask for it, or take it back; the operator carries it out."""
    driver = _own_driver(request, pk)
    row = Erasure.objects.filter(driver=driver, state=ErasureState.ASKED).first()
    if request.method == "POST" and "withdraw" in request.POST:
        if row is not None:
            erasing.withdraw(row, driver=driver, by=actor_for(request, driver))
        return redirect("driver:details")
    if not recently_proven(request):
        return _prove_first(request.path)
    if request.method == "POST":
        erasing.ask(driver, by=actor_for(request, driver), by_driver=True)
        return redirect("driver:details")
    context: dict[str, Any] = {"driver": driver, "asked": row, "here": "details"}
    context["obstacles"] = of_money.obstacles(driver)
    return render(request, "driver/erase.html", context)


def _own_driver(request: DriverRequest, pk: UUID) -> Driver:
    driver = next((one for one in request.drivers if one.pk == pk), None)
    if driver is None:
        raise NotFound(_("There is no such page here."))
    return driver


def _prove_first(back: str) -> HttpResponse:
    return redirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': back})}")
