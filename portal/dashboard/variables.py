"""Variables of a station: the tree of components, a set of changes to look over and send, histories, reports."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.access import Permission
from core.errors import DomainError
from portal.accounts import recently_proven
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, page_by_id, render_page
from portal.dashboard.station import find, frame
from stations.domain import secrecy
from stations.models import ChargingStation, Report, Variable, VariableChange
from stations.services import variable_changes

TEMPLATE = "dashboard/stations/variables.html"
SHOWN = 500
SHOWN_REPORTS = 5
FIELD = "value-"


@dataclass(frozen=True, slots=True)
class Group:
    """One component with its variables; ``writable`` where some of them can be set."""

    component: str
    variables: list[Variable]
    writable: bool


@require_safe
@operator(Permission.STATIONS_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    return _page(request, find(request, pk))


@require_POST
@operator(Permission.VARIABLES_EDIT)
def change(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Put what differs into the set; values that do not fit are told and left out."""
    station = find(request, pk)
    wanted = {
        name.removeprefix(FIELD): value for name, value in request.POST.items() if name.startswith(FIELD)
    }
    rows = _of(request, station).filter(pk__in=[key for key in wanted if _is_id(key)])
    put = 0
    for variable in rows.select_related("station"):
        value = str(wanted[str(variable.pk)])
        if value == (variable.value or ""):
            continue
        try:
            variable_changes.put(variable, value, by=request.actor)
            put += 1
        except DomainError as error:
            messages.error(request, f"{variable}: {error.message}")
    if not put:
        messages.info(request, _("Nothing was changed."))
    return go(request, address(request, "station_variables", pk))


@require_POST
@operator(Permission.VARIABLES_EDIT)
def drop(request: OperatorRequest, pk: UUID, change_pk: UUID) -> HttpResponse:
    found = load(variable_changes.changes_of(find(request, pk).pk).select_related("station"), change_pk)
    variable_changes.drop(found, by=request.actor)
    return go(request, address(request, "station_variables", pk))


@require_POST
@operator(Permission.VARIABLES_EDIT)
def send(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = find(request, pk)
    if not recently_proven(request):
        back = urlencode({"next": address(request, "station_variables", pk)})
        messages.warning(request, _("Confirm that it is you, then press the button again."))
        return go(request, f"{reverse('account_reauthenticate')}?{back}")
    if_offline = "wait" if request.POST.get("if_offline") == "wait" else "fail"
    variable_changes.send(station, by=request.actor, if_offline=if_offline)
    return go(request, address(request, "station_variables", pk))


@require_safe
@operator(Permission.STATIONS_VIEW)
def history(request: OperatorRequest, pk: UUID, variable_pk: UUID) -> HttpResponse:
    """One variable: all that is known of it, and its values over time."""
    station = find(request, pk)
    variable = load(_of(request, station), variable_pk)
    context = frame(request, station, "station_variables")
    context.update(variable=variable, page=page_by_id(variable.history.all(), request.GET.dict()))
    return render_page(request, "dashboard/stations/variable.html", context)


def _page(request: OperatorRequest, station: ChargingStation) -> HttpResponse:
    words, edited = request.GET.get("q", "").strip(), request.GET.get("edit", "")
    rows = _of(request, station)
    pending = request.GET.get("show") == "pending"
    if words:
        rows = rows.filter(Q(variable__icontains=words) | Q(component__icontains=words))
    if pending:
        rows = rows.exclude(pending_value="")
    if edited:
        rows = rows.filter(component="" if edited == "-" else edited)
    found = list(rows[:SHOWN])
    context = frame(request, station, "station_variables")
    context.update(
        groups=list(_groups(found)),
        more=len(found) == SHOWN,
        words=words,
        edited=edited,
        only_pending=pending,
        restart_needed=_of(request, station).exclude(pending_value="").exists(),
        changes=[_shown(change) for change in variable_changes.changes_of(station.pk)],
        reports=Report.objects.filter(station=station, about=Report.About.VARIABLES)[:SHOWN_REPORTS],
    )
    return render_page(request, TEMPLATE, context, partial="results")


def _of(request: OperatorRequest, station: ChargingStation) -> QuerySet[Variable]:
    return Variable.objects.visible_to(request.actor).filter(station=station)


def _groups(rows: Iterable[Variable]) -> Iterator[Group]:
    for component, variables in groupby(rows, key=lambda row: row.component):
        found = list(variables)
        for row in found:
            row.may_be_set = row.mutability != "ReadOnly" and not secrecy.is_secret(row.variable)  # type: ignore[attr-defined]
        yield Group(component, found, any(row.may_be_set for row in found))  # type: ignore[attr-defined]


def _shown(change: VariableChange) -> VariableChange:
    """A change whose command ended without an answer reads as refused, with the reason."""
    command = change.command
    if (
        change.state == VariableChange.State.SENT
        and command
        and command.status in variable_changes.UNANSWERED
    ):
        change.state = VariableChange.State.REFUSED
        change.reason = str((command.error or {}).get("description", ""))
    return change


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
