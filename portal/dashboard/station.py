"""One station: header, Live, Transactions and Settings."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Permission
from core.errors import DomainError
from portal.dashboard import evses, learned, place_tariffs, plots, reserved
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import SettingsForm, refuse
from portal.dashboard.pages import address, page_by_id, render_page
from portal.dashboard.stations import one_with_evses
from portal.dashboard.words import CHARGING_REASON
from stations.domain.words import Capability, Registration
from stations.models import Alert, ChargingStation, StatusAnswer, Transaction
from stations.services import data_transfer_rules, network_profiles, provisioning, stations
from stations.services.smart_charging import looking

TABS = (
    ("station", gettext_lazy("Live"), Permission.STATIONS_VIEW),
    ("station_commands", gettext_lazy("Commands"), Permission.STATIONS_VIEW),
    ("station_transactions", gettext_lazy("Transactions"), Permission.SESSIONS_VIEW),
    ("station_reservations", gettext_lazy("Reservations"), Permission.STATIONS_VIEW),
    ("station_charging", gettext_lazy("Smart charging"), Permission.STATIONS_VIEW),
    ("station_local_list", gettext_lazy("Local list"), Permission.STATIONS_VIEW),
    ("station_grid", gettext_lazy("Grid"), Permission.STATIONS_VIEW),
    ("station_variables", gettext_lazy("Variables"), Permission.STATIONS_VIEW),
    ("station_monitoring", gettext_lazy("Monitoring"), Permission.STATIONS_VIEW),
    ("station_displays", gettext_lazy("Display"), Permission.STATIONS_VIEW),
    ("station_messages", gettext_lazy("Messages"), Permission.MESSAGES_VIEW),
    ("station_connect", gettext_lazy("Connection"), Permission.STATIONS_VIEW),
    ("station_firmware", gettext_lazy("Firmware & logs"), Permission.STATIONS_VIEW),
    ("station_security", gettext_lazy("Security"), Permission.STATIONS_VIEW),
    ("station_settings", gettext_lazy("Settings"), Permission.STATIONS_VIEW),
)

GRID = (Capability.GRID_SUPPORT, Capability.BIDIRECTIONAL, Capability.BATTERY_SWAP)
"""What the tab Grid is about."""


def find(request: OperatorRequest, pk: UUID) -> ChargingStation:
    """The station, if it is visible, with what its header shows."""
    return load(ChargingStation.objects.visible_to(request.actor).select_related("presence", "site"), pk)


def frame(request: OperatorRequest, station: ChargingStation, tab: str) -> dict[str, Any]:
    """What every tab of a station shares: header, tabs, open alerts."""
    return {
        "section": "stations",
        "station": station,
        "tab": tab,
        "tabs": [
            (name, text)
            for name, text, needed in TABS
            if request.actor.can(needed) and _offered(name, station)
        ],
        "open_alerts": Alert.objects.filter(station=station, cleared_at=None).worst_first()[:3],
    }


def _offered(tab: str, station: ChargingStation) -> bool:
    """Whether the station can have what the tab is about; what nobody told is taken for possible."""
    if tab == "station_displays":
        return has_display(station) or station.supports(Capability.TARIFF)
    return tab != "station_grid" or any(station.supports(one) for one in GRID)


def has_display(station: ChargingStation) -> bool:
    """By its version, or by a rule of the organization for stations of its vendor."""
    return station.supports(Capability.DISPLAY) or data_transfer_rules.for_display(station) is not None


@require_safe
@operator(Permission.STATIONS_VIEW)
def head(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = find(request, pk)
    return render_page(
        request, "dashboard/stations/base.html", frame(request, station, "station"), partial="head"
    )


@require_safe
@operator(Permission.STATIONS_VIEW)
def live_tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = one_with_evses(request, pk)
    commands = evses.recent_commands(station)
    context = frame(request, station, "station")
    limits, kept = looking.read(station.pk), reserved.kept_now(station)
    own = reserved.by_evse(kept)
    context["cards"] = [evses.contents(evse, station, commands, limits, own) for evse in station.shown_evses]
    context["kept_anywhere"] = [one for one in kept if not one.evse_id]
    context.update(minutes=reserved.MINUTES, usual=reserved.USUAL)
    context["reasons"] = CHARGING_REASON
    context["commands"] = commands[:5]
    context["tokens"] = evses.tokens_to_start_with(request.actor)[: evses.TOKENS_OFFERED]
    name = plots.chosen_range(request)
    context.update(
        ranges=plots.RANGE_NAMES, range=name, range_seconds=int(plots.RANGES[name].total_seconds())
    )
    return render_page(
        request, "dashboard/stations/live.html", context, partial=_part(request, "side", "cards")
    )


@require_safe
@operator(Permission.SESSIONS_VIEW)
def transactions_tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = find(request, pk)
    rows = Transaction.objects.visible_to(request.actor).filter(station=station)
    context = frame(request, station, "station_transactions")
    context["page"] = page_by_id(rows.select_related("evse", "site", "token", "cost"), request.GET.dict())
    context["answer"] = StatusAnswer.objects.filter(station=station, transaction=None).first()
    return render_page(request, "dashboard/stations/transactions.html", context, partial="results")


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.STATIONS_VIEW)
def settings_tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = find(request, pk)
    form = SettingsForm(request.POST or None, initial=_initial(station), actor=request.actor)
    if request.method == "POST":
        request.actor.require(Permission.STATIONS_EDIT, station)
        if form.is_valid() and _saved(form, station, request):
            messages.success(request, _("Saved."))
            return go(request, address(request, "station_settings", pk))
    context = {
        **frame(request, station, "station_settings"),
        **place_tariffs.of_station(request, station),
        "form": form,
        "capabilities": learned.lines(station),
        "slots": network_profiles.slots_of(station.pk),
        "network_profiles": list(station.network_profiles.all()),
    }
    status = 422 if form.errors else 200
    return render_page(request, "dashboard/stations/settings.html", context, status=status)


@require_POST
@operator(Permission.STATIONS_EDIT)
def decide(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Accept or refuse a station that made itself known."""
    word = Registration.ACCEPTED if "accept" in request.POST else Registration.REJECTED
    provisioning.decide(find(request, pk), word, by=request.actor)
    return go(request, address(request, "station_connect", pk))


@require_POST
@operator(Permission.STATIONS_EDIT)
def retire(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = find(request, pk)
    if request.POST.get("typed", "") != station.identity:
        messages.error(request, _("The identity was not typed right; nothing was changed."))
        return go(request, address(request, "station_settings", pk))
    stations.retire(station, by=request.actor)
    messages.success(request, _("The station was retired. Its history stays."))
    return go(request, address(request, "stations"))


def _saved(form: SettingsForm, station: ChargingStation, request: OperatorRequest) -> bool:
    try:
        stations.update(station, form.cleaned_data, by=request.actor)
    except DomainError as error:
        refuse(form, error)
    return not form.errors


def _initial(station: ChargingStation) -> dict[str, Any]:
    names = (
        "name",
        "site",
        "max_power_w",
        "notes",
        "security_profile",
        "call_timeout_s",
        "lenient",
        "enabled",
        "free_vend",
    )
    return {
        **{name: getattr(station, name) for name in names},
        "tags": ", ".join(station.tags),
        "free_evses": ", ".join(map(str, station.free_evses)),
    }


def _part(request: OperatorRequest, *names: str) -> str:
    wanted = request.GET.get("part", "")
    return wanted if wanted in names else ""
