"""Sessions that cannot end by themselves: the list, what speaks for their end, and the decision."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core import clock
from core.access import Actor, Permission
from core.errors import Invalid, NotFound
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, page_by_id, render_page
from stations.domain import intents
from stations.domain.repairs import DecisionKind, Evidence
from stations.models import OrphanStop, Transaction
from stations.services import commands, transactions
from stations.services.transactions import evidence

Text = str | Promise
WAITS: Mapping[int, Text] = {
    24: gettext_lazy("a day"),
    72: gettext_lazy("three days"),
    168: gettext_lazy("a week"),
    720: gettext_lazy("30 days"),
}
REASON: Mapping[str, Text] = {
    Evidence.GIVEN_UP: gettext_lazy(
        "It was given up: nothing was heard of it, or a newer one began in its place."
    ),
    Evidence.NEWER_SESSION: gettext_lazy("Newer sessions began at the same outlet."),
    Evidence.STATION_DENIES: gettext_lazy(
        "The station says that it is over and that it has nothing more to tell."
    ),
    Evidence.CONNECTOR_FREE: gettext_lazy("Its connector was reported as available afterwards."),
    Evidence.STOP_WITHOUT_START: gettext_lazy("An end without a start fits it."),
    Evidence.SILENT: gettext_lazy("Nothing was heard of it for a day."),
}
DECISION: Mapping[str, Text] = {
    DecisionKind.LAST_READING: gettext_lazy("Ended with the last reading"),
    DecisionKind.GIVEN_READING: gettext_lazy("Ended with a given register"),
    DecisionKind.JOINED_STOP: gettext_lazy("Ended with a stop that fits"),
    DecisionKind.WAIT: gettext_lazy("Left waiting"),
}
LARGEST_KWH = Decimal(1_000_000_000)


@require_safe
@operator(Permission.SESSIONS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    rows = evidence.needing(request.actor, clock.now()).select_related("station", "evse", "site", "token")
    context = {"section": "sessions", "page": page_by_id(rows, request.GET.dict())}
    return render_page(request, "dashboard/sessions/repairs.html", context, partial="results")


@require_safe
@operator(Permission.SESSIONS_VIEW)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    return _page(request, _session(request, pk))


@require_POST
@operator(Permission.SESSIONS_CORRECT)
def decide(request: OperatorRequest, pk: UUID) -> HttpResponse:
    session = _session(request, pk)
    take = DECIDE.get(request.POST.get("decision", ""))
    if take is None:
        raise Invalid(_("Choose what to do."), field="decision")
    take(session, request.POST, request.POST.get("reason", ""), request.actor)
    messages.success(request, _("Decided. The audit log keeps who did it and why."))
    return go(request, address(request, "session_repair", pk))


@require_POST
@operator(Permission.COMMANDS_SESSION)
def ask(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Ask the station how the session stands."""
    session = _session(request, pk)
    intent = intents.GetTransactionStatus(transaction=session.pk)
    commands.issue(session.station, intent, by=request.actor)
    if request.htmx:
        return _page(request, session)
    return go(request, address(request, "session_repair", pk))


def _session(request: OperatorRequest, pk: UUID) -> Transaction:
    rows = Transaction.objects.visible_to(request.actor).select_related(
        "station__presence", "evse", "site", "token"
    )
    session: Transaction = load(rows, pk)
    return session


def _page(request: OperatorRequest, session: Transaction) -> HttpResponse:
    case = evidence.of(session, request.actor, clock.now())
    context = {
        "section": "sessions",
        "session": session,
        "case": case,
        "reasons": [REASON[reason] for reason in case.reasons],
        "decisions": [(one, DECISION.get(one.kind, one.kind)) for one in case.decisions],
        "asked": session.commands.filter(command=intents.GetTransactionStatus.name).order_by("-id")[:3],
        "waits": WAITS.items(),
    }
    return render_page(request, "dashboard/sessions/repair.html", context, partial="evidence")


def _close(session: Transaction, values: QueryDict, reason: str, by: Actor) -> None:
    transactions.close_stuck(session, by=by, reason=reason)


def _close_with(session: Transaction, values: QueryDict, reason: str, by: Actor) -> None:
    transactions.close_stuck(session, by=by, reason=reason, meter_stop_wh=_register_wh(values))


def _join(session: Transaction, values: QueryDict, reason: str, by: Actor) -> None:
    try:
        chosen = UUID(values.get("stop", ""))
    except ValueError as error:
        raise Invalid(_("Choose the stop that belongs to the session."), field="stop") from error
    stop = OrphanStop.objects.filter(pk=chosen, station_id=session.station_id).first()
    if stop is None:
        raise NotFound(_("There is no such stop at this station."), field="stop")
    if not reason.strip():
        raise Invalid(_("Say why."), field="reason")
    transactions.confirm(stop, session, by=by, reason=reason)


def _wait(session: Transaction, values: QueryDict, reason: str, by: Actor) -> None:
    text = values.get("hours", "")
    if not text.isascii() or not text.isdigit() or int(text[:6]) not in WAITS:
        raise Invalid(_("Choose for how long."), field="hours")
    transactions.keep_waiting(session, until=clock.now() + timedelta(hours=int(text)), by=by, reason=reason)


def _register_wh(values: QueryDict) -> Decimal:
    """As written: kWh, with a point or a comma."""
    try:
        kwh = Decimal(values.get("register_kwh", "").strip().replace(",", "."))
    except InvalidOperation as error:
        raise Invalid(_("Enter the register as a number."), field="register_kwh") from error
    if not kwh.is_finite() or not 0 <= kwh < LARGEST_KWH:
        raise Invalid(_("Enter the register as a number."), field="register_kwh")
    return (kwh * 1000).quantize(Decimal("0.001"))


DECIDE: Mapping[str, Callable[[Transaction, QueryDict, str, Actor], None]] = {
    DecisionKind.LAST_READING.value: _close,
    DecisionKind.GIVEN_READING.value: _close_with,
    DecisionKind.JOINED_STOP.value: _join,
    DecisionKind.WAIT.value: _wait,
}
