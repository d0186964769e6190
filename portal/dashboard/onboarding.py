"""Connect a charger: describe it, hand out address and password, watch it arrive."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Permission
from core.errors import DomainError
from portal.dashboard.entry import OperatorRequest, operator
from portal.dashboard.forms import StationForm, refuse
from portal.dashboard.pages import render_page
from portal.dashboard.station import frame
from portal.dashboard.stations import one_with_evses
from stations.models import ChargingStation, Connection
from stations.services import stations

TEMPLATE = "dashboard/stations/connect.html"
SUBPROTOCOLS = ("ocpp2.1", "ocpp2.0.1", "ocpp1.6")
STAGES: tuple[tuple[str, Promise], ...] = (
    ("reached", gettext_lazy("Reached us")),
    ("tls", gettext_lazy("Encryption agreed")),
    ("identity", gettext_lazy("Identity known")),
    ("credential", gettext_lazy("Credential right")),
    ("protocol", gettext_lazy("Sub-protocol agreed")),
    ("open", gettext_lazy("Connection open")),
    ("booted", gettext_lazy("BootNotification received")),
    ("accepted", gettext_lazy("Accepted")),
    ("status", gettext_lazy("Status of each connector")),
    ("metered", gettext_lazy("First meter value")),
)
ORDER = [name for name, _text in STAGES]
STUCK_AT = {
    "past_edge": "reached",
    "doubled_header": "reached",
    "tls_required": "tls",
    "unknown_identity": "identity",
    "disabled": "identity",
    "no_subprotocol": "protocol",
    "unknown_subprotocol": "protocol",
}


@dataclass
class Step:
    """One line of the checklist; ``cure`` stands at the first one that is not done."""

    text: Any
    done: bool
    cure: str = ""
    detail: str = ""


@dataclass
class Arrival:
    """How far a station has come."""

    steps: list[Step] = field(default_factory=list)
    attempts: list[Connection] = field(default_factory=list)
    complete: bool = False


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.STATIONS_EDIT)
def new(request: OperatorRequest) -> HttpResponse:
    """The password is shown in the answer to the form and nowhere again."""
    form = StationForm(request.POST or None, actor=request.actor)
    if request.method == "POST" and form.is_valid():
        try:
            station, secret = stations.create(_chosen(form), by=request.actor)
        except DomainError as error:
            refuse(form, error)
        else:
            found = one_with_evses(request, station.pk)
            return _connect_page(
                request, found, secret if request.actor.can(Permission.SECURITY_MANAGE) else None
            )
    status = 422 if form.errors else 200
    return render_page(
        request, "dashboard/stations/new.html", {"section": "stations", "form": form}, status=status
    )


@require_safe
@operator(Permission.STATIONS_VIEW)
def connect(request: OperatorRequest, pk: UUID) -> HttpResponse:
    return _connect_page(request, one_with_evses(request, pk), None)


@require_POST
@operator(Permission.SECURITY_MANAGE)
def password(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = one_with_evses(request, pk)
    return _connect_page(request, station, stations.new_password(station, by=request.actor))


def addresses(station: ChargingStation) -> dict[str, str]:
    """What is entered at the charger."""
    public = urlsplit(settings.PUBLIC_URL)
    base = f"{'wss' if public.scheme == 'https' else 'ws'}://{public.netloc}/ocpp"
    port = public.port or (443 if public.scheme == "https" else 80)
    return {
        "full": f"{base}/{quote(station.identity, safe='')}",
        "base": base,
        "host": public.hostname or "",
        "port": str(port),
        "subprotocols": ", ".join(SUBPROTOCOLS),
    }


def arrival(station: ChargingStation) -> Arrival:
    """How far the station has come, by what it did and by its last refused try."""
    attempts = list(station.connections.order_by("-opened_at")[:12])
    last = attempts[0] if attempts else None
    refused = last if last and last.outcome == Connection.Outcome.REFUSED else None
    reached = _reached(station, attempts, refused)
    steps = [Step(text, name in reached) for name, text in STAGES if name != "tls" or settings.HTTPS]
    first_missing = next((step for step in steps if not step.done), None)
    if first_missing and not station.presence.connected:
        first_missing.cure = refused.detail if refused else ""
    return Arrival(steps, attempts, first_missing is None)


def _reached(station: ChargingStation, attempts: list[Connection], refused: Connection | None) -> set[str]:
    reached: set[str] = set()
    if station.presence.connected or any(one.outcome != Connection.Outcome.REFUSED for one in attempts):
        reached.update(ORDER[: ORDER.index("open")])
    if refused and not station.presence.connected:
        reached = set(ORDER[: ORDER.index(STUCK_AT.get(refused.reason, "credential"))])
        reached.add("reached")
    evses = station.shown_evses
    connectors = [connector for evse in evses for connector in evse.connectors.all()]
    facts = {
        "open": station.presence.connected,
        "booted": station.booted_at is not None,
        "accepted": station.booted_at is not None and station.accepted,
        "status": bool(connectors) and all(connector.status for connector in connectors),
        "metered": any(evse.measured_at for evse in evses),
    }
    return reached | {name for name, true in facts.items() if true}


def _chosen(form: StationForm) -> dict[str, Any]:
    return {name: value for name, value in form.cleaned_data.items() if value not in ("", None)}


def _connect_page(request: OperatorRequest, station: ChargingStation, secret: str | None) -> HttpResponse:
    context = frame(request, station, "station_connect")
    context.update(arrival=arrival(station), addresses=addresses(station), secret=secret)
    context["hidden"] = _("shown once when it was made")
    part = "waiting" if request.GET.get("part") == "waiting" else ""
    return render_page(request, TEMPLATE, context, partial=part)
