"""Grid support of a station: cars that give back, controls, alarms, aFRR signals, batteries; and commanding it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import clock
from core.access import Permission
from core.errors import Invalid
from portal.dashboard import evses, grid_forms, grid_shown
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.grid_words import CONTROL, TRANSFER
from portal.dashboard.pages import address, render_page
from portal.dashboard.station import find, frame
from portal.dashboard.words import Text
from stations.domain import intents
from stations.domain.intents import Intent
from stations.domain.smart_charging import ENERGY_TRANSFERS
from stations.domain.words import Capability
from stations.models import ChargingStation
from stations.services import commands

TEMPLATE = "dashboard/stations/grid.html"
USUAL = "FreqDroop"
ORDER_MAX = 300
SIGNAL_MAX = 2**31 - 1
OFFERS = {
    "controls": Capability.GRID_SUPPORT,
    "signal": Capability.BIDIRECTIONAL,
    "swap": Capability.BATTERY_SWAP,
}
SAID = (
    "set_der_control",
    "get_der_control",
    "clear_der_control",
    "afrr_signal",
    "request_battery_swap",
    "use_priority_charging",
    "notify_allowed_energy_transfer",
)


@dataclass(frozen=True, slots=True)
class Wish:
    """A command with the order it rests on."""

    intent: Intent
    reason: str = ""


@require_safe
@operator(Permission.STATIONS_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Everything, or with ``part=form`` the form of the type of control that was chosen."""
    station = find(request, pk)
    if request.GET.get("part") == "form":
        return render_page(request, TEMPLATE, _chosen(station, request.GET), partial="form")
    return _page(request, station)


@require_POST
@operator(Permission.STATIONS_VIEW)
def send(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Issue the command of the pressed button; the service checks the permission that it needs."""
    station = find(request, pk)
    make = FORMS.get(request.POST.get("command", ""))
    if make is None:
        raise Invalid(_("There is no such command."), field="command")
    request.actor.require(Permission(make.permission), station)
    wish = make.read(request, station)
    commands.issue(
        station,
        wish.intent,
        by=request.actor,
        if_offline="wait" if request.POST.get("if_offline") == "wait" else "fail",
        reason=wish.reason,
    )
    if request.htmx:
        return _page(request, station)
    return go(request, address(request, "station_grid", pk))


def _page(request: OperatorRequest, station: ChargingStation) -> HttpResponse:
    context = frame(request, station, "station_grid")
    context.update(_chosen(station, request.GET))
    held = grid_shown.controls(station)
    context.update(
        offers={what: station.supports(capability) for what, capability in OFFERS.items()},
        sessions=grid_shown.sessions(station),
        controls=held,
        events=grid_shown.events(station, held),
        swaps=grid_shown.swaps(station, request.actor),
        commands=station.commands.filter(command__in=SAID).order_by("-id")[:8],
        tokens=evses.tokens_to_start_with(request.actor)[: evses.TOKENS_OFFERED],
        types=_types(),
        transfers=[(word, TRANSFER[word]) for word in ENERGY_TRANSFERS],
    )
    return render_page(request, TEMPLATE, context, partial="state")


def _chosen(station: ChargingStation, query: QueryDict) -> dict[str, Any]:
    name = query.get("control_type", USUAL)
    return {
        "station": station,
        "form": grid_forms.form_of(name if name in CONTROL else USUAL),
        "types": _types(),
    }


def _types() -> list[tuple[str, Text]]:
    return sorted(CONTROL.items(), key=lambda pair: str(pair[1]))


def _set(request: OperatorRequest, station: ChargingStation) -> Wish:
    intent = grid_forms.control(request.POST, ZoneInfo(station.site.time_zone))
    return Wish(intent, _order(request.POST))


def _get(request: OperatorRequest, station: ChargingStation) -> Wish:
    return Wish(intents.GetDerControl(control_type=_type(request.POST)))


def _clear(request: OperatorRequest, station: ChargingStation) -> Wish:
    control_id = request.POST.get("control_id", "")
    default = request.POST.get("is_default") == "on"
    if control_id:
        intent = intents.ClearDerControl(control_id=control_id[:36], is_default=default)
    else:
        intent = intents.ClearDerControl(control_type=_type(request.POST), is_default=default)
    return Wish(intent, _order(request.POST))


def _signal(request: OperatorRequest, station: ChargingStation) -> Wish:
    try:
        value = int(request.POST.get("signal", ""))
    except ValueError as error:
        raise Invalid(_("A whole number is expected."), field="signal") from error
    if abs(value) > SIGNAL_MAX:
        raise Invalid(_("The signal is out of its range."), field="signal")
    return Wish(intents.AfrrSignal(timestamp=clock.now(), signal=value))


def _swap(request: OperatorRequest, station: ChargingStation) -> Wish:
    token = evses.chosen_token(request)
    return Wish(intents.RequestBatterySwap(token_value=token.value, token_type=token.type))


def _priority(request: OperatorRequest, station: ChargingStation) -> Wish:
    on = request.POST.get("activate") == "on"
    return Wish(intents.UsePriorityCharging(transaction=_transaction(request.POST), activate=on))


def _allow(request: OperatorRequest, station: ChargingStation) -> Wish:
    chosen = request.POST.getlist("allowed")
    if not chosen or any(word not in ENERGY_TRANSFERS for word in chosen):
        raise Invalid(_("Choose at least one way of energy transfer."), field="allowed")
    intent = intents.NotifyAllowedEnergyTransfer(
        transaction=_transaction(request.POST), allowed=tuple(dict.fromkeys(chosen))
    )
    return Wish(intent)


def _transaction(values: QueryDict) -> UUID:
    try:
        return UUID(values.get("transaction", ""))
    except ValueError as error:
        raise Invalid(_("Choose a session."), field="transaction") from error


def _type(values: QueryDict) -> str:
    """A type of control; empty for all."""
    chosen = values.get("control_type", "")
    if chosen and chosen not in CONTROL:
        raise Invalid(_("Choose a type of control."), field="control_type")
    return chosen


def _order(values: QueryDict) -> str:
    """Controls rest on an order of the grid's operator, which is kept with the command (E-51)."""
    text = values.get("order", "").strip()
    if not text or len(text) > ORDER_MAX:
        raise Invalid(_("Name the order of the grid operator that this rests on."), field="order")
    return text


@dataclass(frozen=True, slots=True)
class Form:
    """How one button's form is read, and what it takes to press it."""

    read: Callable[[OperatorRequest, ChargingStation], Wish]
    permission: str


FORMS: Mapping[str, Form] = {
    "set_der_control": Form(_set, intents.SetDerControl.permission),
    "get_der_control": Form(_get, intents.GetDerControl.permission),
    "clear_der_control": Form(_clear, intents.ClearDerControl.permission),
    "afrr_signal": Form(_signal, intents.AfrrSignal.permission),
    "request_battery_swap": Form(_swap, intents.RequestBatterySwap.permission),
    "use_priority_charging": Form(_priority, intents.UsePriorityCharging.permission),
    "notify_allowed_energy_transfer": Form(_allow, intents.NotifyAllowedEnergyTransfer.permission),
}
