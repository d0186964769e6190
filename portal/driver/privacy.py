"""What is kept of the person, to take along (driver 7, billing B-67)."""

from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import NotFound
from portal.driver.entry import DriverRequest, actor_for, own
from stations.services import driver_data


@require_safe
@own
def details(request: DriverRequest) -> HttpResponse:
    return render(request, "driver/details.html", {"drivers": request.drivers, "here": "details"})


@require_POST
@own
def export(request: DriverRequest, pk: UUID) -> HttpResponse:
    driver = next((one for one in request.drivers if one.pk == pk), None)
    if driver is None:
        raise NotFound(_("There is no such page here."))
    data = driver_data.export(driver, by=actor_for(request, driver))
    answer = JsonResponse(data, json_dumps_params={"indent": 1, "ensure_ascii": False})
    answer["Content-Disposition"] = 'attachment; filename="charging-data.json"'
    return answer
