"""Start and stop from the phone, step by step: what is shown is what the station did, not what we asked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.errors import NotFound
from drivers.models import IdToken
from portal.driver import chargers, words
from portal.driver.entry import DriverRequest, actor_for, load, own, require_patience
from portal.driver.sessions import figures, own_sessions
from stations.domain.words import CommandStatus, TransactionStatus
from stations.models import Command, Evse, Transaction
from stations.services import driving

STEPS = (
    gettext_lazy("Account checked"),
    gettext_lazy("Charger told to start"),
    gettext_lazy("Charger accepted"),
    gettext_lazy("Energy is flowing"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a start: ``done``, ``now`` (being waited for), ``open`` or ``failed``."""

    text: str | Promise
    state: str
    at: datetime | None = None


@require_POST
@own
def start(request: DriverRequest, code: str) -> HttpResponse:
    evse = chargers.evse_of(code)
    if evse is None:
        raise NotFound(_("We do not know this code."))
    of_operator = (one for one in request.drivers if one.organization_id == evse.station.organization_id)
    driver = next(of_operator, None)
    if driver is None:
        raise NotFound(_("You have no account with the operator of this charger."))
    tokens = IdToken.objects.live().filter(driver=driver).select_related("driver")
    chosen = request.POST.get("card", "")
    token = next((one for one in tokens if str(one.pk) == chosen), None)
    if token is None:
        raise NotFound(_("Choose one of your cards."))
    require_patience(driver)
    command = driving.start(evse, token, driver=driver, by=actor_for(request, driver))
    return redirect("driver:starting", command.pk)


@require_safe
@own
def starting(request: DriverRequest, pk: Any) -> HttpResponse:
    asked = Command.objects.filter(driving.starts_of([one.pk for one in request.drivers]))
    command = load(asked.select_related("station__site", "transaction"), pk)
    session = own_sessions(request).filter(pk=command.transaction_id).first()
    if session is not None and flows(session):
        return redirect("driver:session", session.pk)
    failure = words.failure_of(command)
    context = {
        "steps": steps_of(command, failed=failure is not None),
        "failure": failure,
        "session": session,
        "changing": failure is None,
        "zone": command.station.site.time_zone,
        "evse": Evse.objects.filter(station=command.station, evse_id=command.evse_id).first(),
    }
    return render(request, "driver/starting.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@own
def stop(request: DriverRequest, pk: Any) -> HttpResponse:
    session = load(own_sessions(request).select_related("driver"), pk)
    if session.status != TransactionStatus.ACTIVE:
        return redirect("driver:session", session.pk)
    if request.method == "POST":
        driver = next(one for one in request.drivers if one.pk == session.driver_id)
        driving.stop(session, driver=driver, by=actor_for(request, driver))
        return redirect("driver:session", session.pk)
    return render(request, "driver/stop.html", figures(session))


def flows(session: Transaction) -> bool:
    """Whether the meter moves or the station reports charging; its word "accepted" is not enough."""
    moved = bool(session.energy_wh) or bool(session.power_w)
    return moved or session.charging_state == "Charging" or session.status != TransactionStatus.ACTIVE


def steps_of(command: Command, *, failed: bool) -> list[Step]:
    """The four lines of a start."""
    accepted = command.status == CommandStatus.ACCEPTED
    times = [command.issued_at, command.sent_at, command.settled_at if accepted else None, None]
    steps, waiting = [], True
    for text, at in zip(STEPS, times, strict=True):
        state = "done" if at else ("failed" if failed else "now") if waiting else "open"
        waiting = waiting and at is not None
        steps.append(Step(text, state, at))
    return steps
