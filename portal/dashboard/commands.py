"""Commands of a station: what was said, what it answered, what was seen; and sending more of them."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from uuid import UUID

import orjson
from django.db.models import F, Q
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import clock
from core.access import Actor, Permission
from core.errors import Invalid
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.fresh import confirmed_first
from portal.dashboard.later import REPEATS, when_of
from portal.dashboard.pages import address, page_by_id, render_page
from portal.dashboard.station import find, frame
from portal.dashboard.words import MESSAGE
from stations.domain import intents
from stations.domain.intents import Intent
from stations.models import ChargingStation, Command, ScheduledCommand
from stations.ocpp import raw_calls
from stations.services import commands, scheduled_commands

PLANS_SHOWN = 20
RUNS_SHOWN = 3
ENDED_SHOWN = timedelta(days=7)
TEMPLATE = "dashboard/stations/commands.html"
MESSAGES = (
    "boot_notification",
    "status_notification",
    "heartbeat",
    "meter_values",
    "transaction_event",
    "firmware_status_notification",
    "log_status_notification",
)
NEEDS_FRESH_SIGN_IN = frozenset({"reset", "set_variables", "call"})


@require_safe
@operator(Permission.STATIONS_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = find(request, pk)
    return _page(request, station)


@require_POST
@operator(Permission.STATIONS_VIEW)
def send(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The service checks the permission that the command needs."""
    station = find(request, pk)
    name = request.POST.get("command", "")
    if name in NEEDS_FRESH_SIGN_IN:
        first = confirmed_first(request, address(request, "station_commands", pk))
        if first is not None:
            return first
    if name not in FORMS:
        raise Invalid(_("There is no such command."), field="command")
    _say(station, FORMS[name](request.POST), request)
    if request.htmx:
        return _page(request, station)
    return go(request, address(request, "station_commands", pk))


def _say(station: ChargingStation, intent: Intent, request: OperatorRequest) -> None:
    """Now, or as a plan where the form says when."""
    if_offline = "wait" if request.POST.get("if_offline") == "wait" else "fail"
    when = when_of(request.POST, station)
    if when is None:
        commands.issue(station, intent, by=request.actor, if_offline=if_offline)
    else:
        raw_calls.check_for_later(station, intent)
        scheduled_commands.plan(station, intent, when=when, by=request.actor, if_offline=if_offline)


@require_safe
@operator(Permission.STATIONS_VIEW)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    rows = Command.objects.visible_to(request.actor).select_related(
        "station__presence", "station__site", "transaction"
    )
    command = load(rows, pk)
    context = {"section": "stations", "command": command, "station": command.station}
    return render_page(request, "dashboard/stations/command.html", context, partial="detail")


@require_POST
@operator(Permission.STATIONS_VIEW)
def cancel(request: OperatorRequest, pk: UUID) -> HttpResponse:
    command = load(Command.objects.visible_to(request.actor).select_related("station"), pk)
    commands.cancel(command, by=request.actor)
    return go(request, address(request, "command", pk))


@require_POST
@operator(Permission.STATIONS_VIEW)
def cancel_planned(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The service checks the permission that the planned command needs."""
    rows = ScheduledCommand.objects.visible_to(request.actor).select_related("station__site")
    planned = load(rows, pk)
    scheduled_commands.cancel(planned, by=request.actor)
    if request.htmx:
        return _page(request, find(request, planned.station_id))
    return go(request, address(request, "station_commands", planned.station_id))


def _page(request: OperatorRequest, station: ChargingStation) -> HttpResponse:
    context = frame(request, station, "station_commands")
    context["page"] = page_by_id(station.commands.select_related("transaction__evse"), request.GET.dict())
    context["planned"] = _shown(station, request.actor)
    context["evses"] = list(station.evses.values_list("evse_id", flat=True))
    context["repeats"] = list(REPEATS.items())
    context["messages_to_ask"] = [(name, MESSAGE[name]) for name in MESSAGES]
    return render_page(request, TEMPLATE, context, partial="history")


def _shown(station: ChargingStation, actor: Actor) -> list[ScheduledCommand]:
    """What is to come, soonest first, and what ended lately, each with what became of its newest times."""
    recent = clock.now() - ENDED_SHOWN
    rows = station.scheduled_commands.filter(Q(status="planned") | Q(ended_at__gte=recent))
    planned: list[ScheduledCommand] = list(
        rows.order_by(F("next_at").asc(nulls_last=True), "-id")[:PLANS_SHOWN]
    )
    for one in planned:
        one.may_cancel = actor.can(scheduled_commands.permission_of(one))  # type: ignore[attr-defined]
        one.newest = list(one.runs.all()[:RUNS_SHOWN])  # type: ignore[attr-defined]  # for the template
    return planned


def _reset(values: QueryDict) -> Intent:
    kind = values.get("kind", "on_idle")
    if kind not in ("on_idle", "immediate", intents.RESUME):
        raise Invalid(_("Choose how to restart."), field="kind")
    return intents.ResetStation(kind=kind)


def _availability(values: QueryDict) -> Intent:
    wanted = values.get("operational_status", "")
    if wanted not in ("operative", "inoperative"):
        raise Invalid(_("Choose an availability."), field="operational_status")
    return intents.ChangeAvailability(operational_status=wanted, evse_id=_evse(values))


def _trigger(values: QueryDict) -> Intent:
    if values.get("message") not in MESSAGES:
        raise Invalid(_("Choose a message."), field="message")
    return intents.TriggerMessage(message=values["message"], evse_id=_evse(values))


def _report(values: QueryDict) -> Intent:
    return intents.GetBaseReport(kind="full_inventory")


def _read(values: QueryDict) -> Intent:
    names = [line.strip() for line in values.get("variables", "").splitlines() if line.strip()]
    if not names:
        raise Invalid(_("Name at least one variable."), field="variables")
    return intents.GetVariables(items=tuple(map(_item, names)))


def _set(values: QueryDict) -> Intent:
    name = values.get("variable", "").strip()
    if not name:
        raise Invalid(_("Name the variable."), field="variable")
    item = _item(name)
    changed = intents.VariableItem(
        variable=item.variable, component=item.component, value=values.get("value", "")
    )
    return intents.SetVariables(items=(changed,))


def _call(values: QueryDict) -> Intent:
    try:
        payload = orjson.loads(values.get("payload", "") or "{}")
    except orjson.JSONDecodeError as error:
        raise Invalid(_("The payload is not JSON: %s.") % error, field="payload") from error
    if not isinstance(payload, dict):
        raise Invalid(_("The payload is a JSON object."), field="payload")
    return intents.Call(action=values.get("action", "").strip(), payload=payload)


def _item(name: str) -> intents.VariableItem:
    """``Component.Variable``, or a 1.6 key alone."""
    component, dot, variable = name.partition(".")
    return (
        intents.VariableItem(component=component, variable=variable)
        if dot
        else intents.VariableItem(variable=name)
    )


def _evse(values: QueryDict) -> int | None:
    text = values.get("evse_id", "")
    if text and not text.isdecimal():
        raise Invalid(_("Choose an EVSE."), field="evse_id")
    return int(text) if text else None


FORMS: Mapping[str, Callable[[QueryDict], Intent]] = {
    "reset": _reset,
    "change_availability": _availability,
    "trigger_message": _trigger,
    "get_base_report": _report,
    "clear_cache": lambda _values: intents.ClearCache(),
    "get_variables": _read,
    "set_variables": _set,
    "call": _call,
}
