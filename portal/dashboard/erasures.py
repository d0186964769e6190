"""Persons who want to be forgotten: what was asked, what stands in the way, carrying it out (W-29, B-67)."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from billing.services import driver_export, erasing
from core.access import Actor, Permission
from core.errors import Invalid
from drivers.models import Driver, Erasure, ErasureState
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.fresh import confirmed_first
from portal.dashboard.pages import address, page_by_id, render_page
from portal.downloads import archived

BEGUN = (ErasureState.RUNNING, ErasureState.DONE)


@require_safe
@operator(Permission.DRIVERS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "").strip() for name in ("ended", "before")}
    rows = Erasure.objects.visible_to(request.actor).select_related("driver")
    page = page_by_id(_ended(request.actor) if query["ended"] else rows, query)
    context = {"section": "drivers", "page": page, "query": query}
    return render_page(request, "dashboard/drivers/erasures.html", context)


@require_POST
@operator(Permission.DRIVERS_MANAGE)
def erase(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Cannot be undone, so the name is typed and the password given just before."""
    request.actor.require_everywhere(Permission.DRIVERS_MANAGE)
    driver: Driver = load(Driver.objects.visible_to(request.actor).exclude(erasures__state__in=BEGUN), pk)
    page = address(request, "erasures") if driver.retired_at else address(request, "driver", pk)
    if asked := confirmed_first(request, page):
        return asked
    if " ".join(request.POST.get("typed", "").split()) != driver.name:
        raise Invalid(_("Type the driver's name to confirm. Nothing was erased."), field="typed")
    erasing.erase(driver, by=request.actor)
    messages.success(request, _("The person is forgotten; the logs of the stations are searched now."))
    return go(request, address(request, "erasures"))


@require_POST
@operator(Permission.DRIVERS_MANAGE)
def export(request: OperatorRequest, pk: UUID) -> HttpResponseBase:
    """All that is kept of the person, as a zip that is made while it is sent; the password is given just before."""
    request.actor.require_everywhere(Permission.DRIVERS_MANAGE)
    rows = Driver.objects.visible_to(request.actor).live().select_related("organization", "user")
    driver: Driver = load(rows, pk)
    if asked := confirmed_first(request, address(request, "driver", pk)):
        return asked
    pieces = driver_export.archive_for_operator(driver, by=request.actor)
    return archived(request, pieces, filename="charging-data.zip", by=request.actor)


def _ended(actor: Actor) -> QuerySet[Driver]:
    """Drivers who were ended, and whose data are still kept."""
    return Driver.objects.visible_to(actor).exclude(retired_at=None).exclude(erasures__state__in=BEGUN)


def waiting(actor: Actor) -> int:
    """How many wait for the operator."""
    return Erasure.objects.visible_to(actor).filter(state=ErasureState.ASKED).count()


def context(actor: Actor, driver: Driver) -> dict[str, Any]:
    """What the card on a driver's page says; nothing is looked up for who may not do it."""
    if not actor.can_everywhere(Permission.DRIVERS_MANAGE):
        return {}
    asked = Erasure.objects.filter(driver=driver, state=ErasureState.ASKED).first()
    return {"erasure": asked, "obstacles": erasing.obstacles(driver)}
