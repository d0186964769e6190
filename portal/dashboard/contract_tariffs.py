"""The tariff that a driver or a group of drivers has by contract: the card *Contract* of their pages (T-43)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.access import Permission
from core.errors import DomainError
from drivers.models import Driver, DriverGroup
from portal.dashboard.entry import OperatorRequest, View, go, id_of, load, operator
from portal.dashboard.pages import address
from portal.dashboard.sentences import told
from stations.services import tariff_assignments
from tariffs.models import Tariff

PAGE: Mapping[type, str] = {Driver: "driver", DriverGroup: "driver_group"}
OFFERED = 500


def context(request: OperatorRequest, holder: Driver | DriverGroup) -> dict[str, Any]:
    """What the card shows: the contract, else that of the group, and what it may be changed to."""
    own = tariff_assignments.at_place(holder, holder.organization_id)
    group = holder.group if isinstance(holder, Driver) else None
    of_group = tariff_assignments.at_place(group, holder.organization_id) if group and own is None else None
    tariffs = Tariff.objects.visible_to(request.actor).filter(retired_at=None).order_by("name")
    return {
        "contract": own,
        "contract_of_group": of_group,
        "contract_tariffs": tariffs[:OFFERED],
        "contract_at": address(request, f"{PAGE[type(holder)]}_tariff", holder.pk),
    }


def saving(model: type[Any]) -> View:
    """The view that changes the contract of a driver or a group; without a tariff it ends."""

    def save(request: OperatorRequest, pk: UUID) -> HttpResponse:
        holder = load(model.objects.visible_to(request.actor).live(), pk)
        try:
            words = _change(request, holder)
        except DomainError as error:
            messages.error(request, told(error.message))
        else:
            messages.success(request, words)
        return go(request, address(request, PAGE[model], pk))

    view: View = require_POST(operator(Permission.TARIFFS_MANAGE)(save))
    view.permission = Permission.TARIFFS_MANAGE  # type: ignore[attr-defined]
    return view


def _change(request: OperatorRequest, holder: Driver | DriverGroup) -> str:
    chosen = request.POST.get("tariff", "")
    if chosen:
        tariff = load(Tariff.objects.visible_to(request.actor), id_of(chosen))
        tariff_assignments.assign(tariff, place=holder, role="", basis=_basis(request), by=request.actor)
        return _("The contract holds for sessions that begin from now on.")
    present = tariff_assignments.at_place(holder, holder.organization_id)
    if present is not None:
        tariff_assignments.end(present, by=request.actor)
    return _("There is no contract any more: sessions have the tariff of their place.")


def _basis(request: OperatorRequest) -> str:
    return "net" if request.POST.get("basis") == "net" else ""
