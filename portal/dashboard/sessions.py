"""Sessions: the list, and one with its plot, readings and timeline."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from billing.models import Settlement
from billing.services import halves
from core.access import Permission
from portal import session_price, session_search
from portal.dashboard import records, signed_readings
from portal.dashboard.entry import OperatorRequest, load, operator
from portal.dashboard.holders import of_driver
from portal.dashboard.invoice_words import NOT_BILLED
from portal.dashboard.pages import page_by_id, render_page
from portal.dashboard.plots import readings_of
from portal.dashboard.words import COMMAND, SESSION_STATE, command_word
from stations.domain.words import TransactionStatus
from stations.models import CostState, Transaction

STATES = tuple(word.value for word in TransactionStatus)
READINGS_SHOWN = 200
KIND = {"Started": _("Session began"), "Updated": _("Reported"), "Ended": _("Session ended")}


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a session's timeline."""

    at: datetime
    text: str | Promise
    detail: str | Promise = ""
    look: str = "run"


@require_safe
@operator(Permission.SESSIONS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "").strip() for name in ("status", "q", "driver", "before", "cost")}
    rows, driver = Transaction.objects.visible_to(request.actor), of_driver(request, query)
    if driver is not None:
        rows = rows.filter(driver=driver)
    if query["cost"] == CostState.REVIEW:
        rows = rows.filter(cost__state=CostState.REVIEW)
    if query["status"] in STATES:
        rows = rows.filter(status=query["status"])
    if words := query["q"]:
        rows = rows.filter(session_search.meant_by(words, request.actor))
    rows = rows.select_related("station", "evse", "site", "token", "cost")
    context = {
        "section": "sessions",
        "page": page_by_id(rows, query),
        "query": query,
        "of_driver": driver,
        "states": [(name, SESSION_STATE[name]) for name in STATES],
    }
    return render_page(request, "dashboard/sessions/list.html", context, partial="results")


@require_safe
@operator(Permission.SESSIONS_VIEW)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    rows = Transaction.objects.visible_to(request.actor).select_related(
        "station__presence", "evse", "site", "token", "driver", "charging_plan", "status_answer", "cost",
        "frozen_tariff__version__tariff", "station_cost", "settlement",
    )  # fmt: skip
    session = load(rows, pk)
    readings = list(readings_of(session).order_by("-occurred_at")[:READINGS_SHOWN])
    context = {
        "section": "sessions",
        "session": session,
        "readings": readings,
        "price": session_price.of(session),
        "signed": signed_readings.kinds(session),
        "records": records.of_session(session.pk, request.actor),
        "timeline": timeline(session),
        "state": SESSION_STATE[session.status],
        "not_billed": _not_billed(session),
        "halves": halves.others_of(session),
    }
    part = request.GET.get("part", "")
    return render_page(
        request,
        "dashboard/sessions/detail.html",
        context,
        partial=part if part in ("figures", "price", "timeline") else "",
    )


def _not_billed(session: Transaction) -> str:
    """The stated reason why there is nothing to bill (billing B-13); empty where there is."""
    settlement = Settlement.objects.filter(pk=session.pk).exclude(reason="").first()
    return str(NOT_BILLED.get(settlement.reason, "")) if settlement else ""


def timeline(session: Transaction) -> list[Moment]:
    """What happened, oldest first: the station's reports and our commands."""
    moments = [
        Moment(event.occurred_at, KIND.get(event.kind, event.kind), _event_detail(event), _look(event.kind))
        for event in session.events.order_by("occurred_at", "seq_no")
        if event.kind != "Updated" or event.charging_state
    ]
    for command in session.commands.order_by("issued_at"):
        word = command_word(command)
        moments.append(
            Moment(command.issued_at, COMMAND.get(command.command, command.command), word.text, word.look)
        )
    return sorted(_without_repeats(moments), key=lambda moment: moment.at)


def _without_repeats(moments: list[Moment]) -> list[Moment]:
    """Reports that say the same as the one before are left out."""
    kept: list[Moment] = []
    for moment in moments:
        if not kept or (moment.text, moment.detail) != (kept[-1].text, kept[-1].detail):
            kept.append(moment)
    return kept


def _event_detail(event: Any) -> str | Promise:
    parts = [event.charging_state, event.trigger_reason]
    return " · ".join(part for part in parts if part)


def _look(kind: str) -> str:
    return {"Started": "ok", "Ended": "off"}.get(kind, "run")
