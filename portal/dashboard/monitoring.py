"""Monitoring of a station: monitors, events, streams, and what it told of customers."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core.access import Permission
from core.errors import Invalid
from drivers.models import UNTYPED, TokenType
from drivers.models.tokens import OF_21
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, page_by_id, render_page
from portal.dashboard.station import find, frame
from portal.dashboard.words import MONITOR_SEVERITY, Text
from stations.domain import intents
from stations.domain.intents import Intent, MonitorItem
from stations.domain.words import Capability
from stations.models import Command, EventStream, MonitoringState, Report
from stations.services import commands, customers

TEMPLATE = "dashboard/stations/monitoring.html"
TYPES: Mapping[str, Text] = {
    "upper_threshold": gettext_lazy("Upper threshold"),
    "lower_threshold": gettext_lazy("Lower threshold"),
    "delta": gettext_lazy("Change"),
    "periodic": gettext_lazy("Every so often"),
    "periodic_clock_aligned": gettext_lazy("Every so often, by the clock"),
    "target_delta": gettext_lazy("Distance from the target"),
    "target_delta_relative": gettext_lazy("Distance from the target in percent"),
}
BASES: Mapping[str, Text] = {
    "all": gettext_lazy("All"),
    "factory_default": gettext_lazy("As the factory set them"),
    "hard_wired_only": gettext_lazy("Only the hard-wired ones"),
}
SHOWN = 200
SHOWN_EVENTS = 30

TOKEN_TYPES = (
    ("OCPP 2.0.1, 2.1", [one for one in TokenType if one not in (*OF_21, TokenType.NO_AUTHORIZATION)]),
    ("OCPP 2.1", list(OF_21)),
)
"""By the versions whose stations know them; a token that asks for no authorization is no customer's."""


@require_safe
@operator(Permission.STATIONS_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = find(request, pk)
    context = frame(request, station, "station_monitoring")
    context.update(
        monitors=station.monitors.filter(cleared_at=None)[:SHOWN],
        state=MonitoringState.objects.filter(station=station).first(),
        page=page_by_id(station.events.select_related("monitor"), request.GET.dict(), size=SHOWN_EVENTS),
        streams=station.streams.order_by("closed_at", "-id")[:20],
        reports=Report.objects.filter(station=station, about=Report.About.MONITORS)[:5],
        supported=station.supports(Capability.MONITORING),
        streaming=station.supports(Capability.EVENT_STREAMS),
        types=TYPES,
        bases=BASES,
        levels=MONITOR_SEVERITY.items(),
    )
    if request.actor.can(Permission.DRIVERS_VIEW):
        context["customer_reports"] = Report.objects.filter(station=station, about=Report.About.CUSTOMER)[:10]
        context["token_types"] = TOKEN_TYPES
        context["asking"] = station.supports(Capability.CUSTOMER_INFORMATION)
    return render_page(request, TEMPLATE, context, partial="results")


@require_POST
@operator(Permission.STATIONS_VIEW)
def send(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The service checks the permission that the command needs."""
    station = find(request, pk)
    name = request.POST.get("command", "")
    if name not in FORMS:
        raise Invalid(_("There is no such command."), field="command")
    command = commands.issue(station, FORMS[name](request.POST), by=request.actor)
    return go(request, address(request, "command", command.pk))


@require_safe
@operator(Permission.STATIONS_VIEW)
def stream(request: OperatorRequest, pk: UUID, stream_pk: UUID) -> HttpResponse:
    """The values of one stream, newest first."""
    station = find(request, pk)
    found = load(EventStream.objects.visible_to(request.actor).filter(station=station), stream_pk)
    context = frame(request, station, "station_monitoring")
    context.update(
        stream=found,
        page=page_by_id(found.values.all(), request.GET.dict()),
        adjustable=found.closed_at is None and station.supports(Capability.EVENT_STREAMS),
    )
    return render_page(request, "dashboard/stations/stream.html", context)


@require_safe
@operator(Permission.DRIVERS_VIEW)
def customer(request: OperatorRequest, pk: UUID, report_pk: UUID) -> HttpResponse:
    """What the station told of a customer; reading it is written down."""
    station = find(request, pk)
    report = load(_customer_reports(request, station.pk), report_pk)
    context = frame(request, station, "station_monitoring")
    asked = Command.objects.filter(
        station=station, command="customer_information", parameters__request_id=report.request_id
    )
    context.update(report=report, text=customers.text_of(report, by=request.actor), command=asked.first())
    return render_page(request, "dashboard/stations/customer.html", context)


@require_POST
@operator(Permission.DRIVERS_MANAGE)
def forget(request: OperatorRequest, pk: UUID, report_pk: UUID) -> HttpResponse:
    report = load(_customer_reports(request, find(request, pk).pk), report_pk)
    customers.forget(report, by=request.actor)
    messages.success(request, _("What the station told is forgotten here."))
    return go(request, address(request, "station_monitoring", pk))


def _customer_reports(request: OperatorRequest, station_id: UUID) -> QuerySet[Report]:
    rows = Report.objects.visible_to(request.actor).select_related("station")
    return rows.filter(station_id=station_id, about=Report.About.CUSTOMER)


def _set(values: QueryDict) -> Intent:
    if values.get("type") not in TYPES:
        raise Invalid(_("Choose a kind of monitor."), field="type")
    component, dot, variable = values.get("variable", "").strip().partition(".")
    if not dot or not variable:
        raise Invalid(_("Name component and variable, with a dot between them."), field="variable")
    item = MonitorItem(
        component=component[:50],
        variable=variable[:50],
        evse_id=_whole(values, "evse_id"),
        type=values["type"],
        value=_decimal(values, "value"),
        severity=_severity(values),
        transaction=bool(values.get("transaction")),
    )
    return intents.SetVariableMonitoring(items=(item,))


def _clear(values: QueryDict) -> Intent:
    number = _whole(values, "number")
    if number is None:
        raise Invalid(_("Choose a monitor."), field="number")
    return intents.ClearVariableMonitoring(numbers=(number,))


def _base(values: QueryDict) -> Intent:
    if values.get("base") not in BASES:
        raise Invalid(_("Choose a set of monitors."), field="base")
    return intents.SetMonitoringBase(base=values["base"])


def _customer(values: QueryDict) -> Intent:
    token = values.get("token", "").strip()
    if not token:
        raise Invalid(_("Name the token of the customer."), field="token")
    kind = values.get("token_type", UNTYPED)
    if kind not in TokenType.values:
        raise Invalid(_("This is not a type of token."), field="token_type")
    return intents.CustomerInformation(
        report=values.get("what") != "clear",
        clear=values.get("what") in ("clear", "both"),
        token_value=token[:255],
        token_type=kind,
    )


def _adjust(values: QueryDict) -> Intent:
    number = _whole(values, "stream")
    if number is None:
        raise Invalid(_("Choose a stream."), field="stream")
    interval_s, most = _whole(values, "interval_s"), _whole(values, "values")
    if interval_s is None and most is None:
        raise Invalid(_("Give an interval, a number of values, or both."), field="interval_s")
    return intents.AdjustEventStream(stream=number, interval_s=interval_s, values=most)


def _whole(values: QueryDict, name: str) -> int | None:
    text = values.get(name, "").strip()
    if text and not (text.isascii() and text.isdecimal() and int(text) < 2**31):
        raise Invalid(_("This is a whole number."), field=name)
    return int(text) if text else None


def _decimal(values: QueryDict, name: str) -> Decimal:
    try:
        number = Decimal(values.get(name, "").strip().replace(",", "."))
    except InvalidOperation as error:
        raise Invalid(_("This is a number."), field=name) from error
    if not number.is_finite() or abs(number) >= 10**12:
        raise Invalid(_("This is a number."), field=name)
    return number


def _severity(values: QueryDict) -> int:
    severity = _whole(values, "severity")
    if severity is None or severity > 9:
        raise Invalid(_("Choose a severity from 0 to 9."), field="severity")
    return severity


FORMS: Mapping[str, Callable[[QueryDict], Intent]] = {
    "set_variable_monitoring": _set,
    "clear_variable_monitoring": _clear,
    "get_monitoring_report": lambda _values: intents.GetMonitoringReport(),
    "set_monitoring_base": _base,
    "set_monitoring_level": lambda values: intents.SetMonitoringLevel(severity=_severity(values)),
    "get_periodic_event_stream": lambda _values: intents.GetEventStreams(),
    "adjust_periodic_event_stream": _adjust,
    "customer_information": _customer,
}
