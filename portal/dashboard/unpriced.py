"""Sessions that have no price, and reservations that cost something without one: what a person decides of them."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.contrib import messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from billing.models import BillingException, Decision, Outcome, Settlement
from billing.services import exceptions, reserved
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from portal import session_price
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.invoice_words import NOT_BILLED
from portal.dashboard.pages import address, page_by_id, render_page
from stations.models import CostState, Reservation, ReservationCost, Transaction
from stations.services import cost_decisions
from tariffs.models import Tariff, VersionState

Text = str | Promise
TARIFFS_OFFERED = 500
WHAT_HELPS: Mapping[str, Text] = {
    "no_tariff": gettext_lazy("Assign a tariff for sessions to come, and choose one for this session."),
    "missing_register": gettext_lazy(
        "Let the station report its energy register; for this session set the amount or waive it."
    ),
    "missing_state": gettext_lazy(
        "Let the station report charging states; for this session set the amount or waive it."
    ),
    "missing_power": gettext_lazy(
        "Let the station report power; for this session set the amount or waive it."
    ),
    "missing_current": gettext_lazy(
        "Let the station report current; for this session set the amount or waive it."
    ),
}
ANY_HELP = gettext_lazy("Look at the readings. Price it again after a repair, set the amount, or waive it.")


@require_safe
@operator(Permission.SESSIONS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    rows = _undecided(request.actor).select_related("station", "evse", "site", "cost")
    page = page_by_id(rows, request.GET.dict())
    context = {
        "section": "sessions",
        "page": page,
        "rows": [(session, session_price.cause_of(session.cost), _help(session)) for session in page.rows],
    }
    return render_page(request, "dashboard/sessions/unpriced.html", context, partial="results")


@require_safe
@operator(Permission.SESSIONS_VIEW)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    session = _session(request, pk)
    cost = getattr(session, "cost", None)
    waits = cost is not None and cost.state == CostState.REVIEW and session.ended_at is not None
    context = {
        "section": "sessions",
        "session": session,
        "price": session_price.of(session),
        "cost": cost,
        "waits": waits,
        "helps": _help(session) if waits else "",
        "frozen": getattr(session, "frozen_tariff", None),
        "tariffs": _tariffs(request.actor),
        "exception": _exception(session),
    }
    return render_page(request, "dashboard/sessions/price.html", context)


@require_POST
@operator(Permission.SESSIONS_CORRECT)
def decide(request: OperatorRequest, pk: UUID) -> HttpResponse:
    session = _session(request, pk)
    take = DECIDE.get(request.POST.get("decision", ""))
    if take is None:
        raise Invalid(_("Choose what to do."), field="decision")
    take(session, request.POST, request.POST.get("reason", ""), request.actor)
    messages.success(request, _("Decided. The audit log keeps who did it and why."))
    return go(request, address(request, "session_price", pk))


@require_safe
@operator(Permission.SESSIONS_VIEW)
def reservations(request: OperatorRequest) -> HttpResponse:
    """Those that expired or were cancelled and cost something; with ``?tab=review`` those that wait for a person."""
    waiting = request.GET.get("tab") == "review"
    rows = Reservation.objects.visible_to(request.actor).filter(cost__isnull=False)
    rows = rows.filter(cost__state=CostState.REVIEW, cost__decision="") if waiting else rows
    rows = rows.select_related("cost", "settlement", "station__site", "token", "evse")
    page = page_by_id(rows, request.GET.dict())
    context = {
        "section": "sessions",
        "page": page,
        "rows": [
            (one, one.cost, _told(one.cost), session_price.cause_of(one.cost), _not_billed(one))
            for one in page.rows
        ],
        "waiting": waiting,
        "tariffs": _tariffs(request.actor),
    }
    return render_page(request, "dashboard/sessions/reservation_costs.html", context)


@require_POST
@operator(Permission.SESSIONS_CORRECT)
def decide_reservation(request: OperatorRequest, pk: UUID) -> HttpResponse:
    cost = load(cost_decisions.reservations(request.actor), pk)
    reason, decision = request.POST.get("reason", ""), request.POST.get("decision", "")
    if decision == "waive":
        reserved.waive(cost, by=request.actor, reason=reason)
    elif decision == "again":
        chosen = _chosen(request.POST, request.actor)
        reserved.price(cost, chosen, by=request.actor, reason=reason)
    else:
        raise Invalid(_("Choose what to do."), field="decision")
    messages.success(request, _("Decided. The audit log keeps who did it and why."))
    return go(request, address(request, "reservation_costs"))


def _told(cost: ReservationCost) -> str:
    return session_price.told(cost.incl_vat, cost.currency)


def _not_billed(kept: Reservation) -> str:
    """The stated reason why its price is not billed; what a person waived says so itself."""
    settlement = getattr(kept, "settlement", None)
    unbilled = settlement is not None and settlement.outcome == Outcome.NOT_BILLABLE
    return str(NOT_BILLED.get(settlement.reason, "")) if unbilled else ""


def _undecided(actor: Actor) -> QuerySet[Transaction]:
    """Without those that billing waived or does not bill."""
    over = Settlement.objects.filter(
        transaction=OuterRef("pk"), outcome__in=[Outcome.WAIVED, Outcome.NOT_BILLABLE]
    )
    return cost_decisions.waiting(actor).exclude(Exists(over))


def _session(request: OperatorRequest, pk: UUID) -> Transaction:
    rows = Transaction.objects.visible_to(request.actor).select_related(
        "station", "evse", "site", "cost", "frozen_tariff__version__tariff", "station_cost", "token"
    )
    session: Transaction = load(rows, pk)
    return session


def _help(session: Transaction) -> Text:
    return WHAT_HELPS.get(session.cost.cause, ANY_HELP)


def _exception(session: Transaction) -> BillingException | None:
    return BillingException.objects.open().filter(transaction=session).first()


def _tariffs(actor: Actor) -> list[Tariff]:
    if not actor.can(Permission.SESSIONS_CORRECT):
        return []
    rows = Tariff.objects.live().visible_to(actor).filter(versions__state=VersionState.PUBLISHED)
    return list(rows.distinct().order_by("name")[:TARIFFS_OFFERED])


def _chosen(values: QueryDict, by: Actor) -> Tariff | None:
    text = values.get("tariff", "")
    if not text:
        return None
    try:
        key = UUID(text)
    except ValueError as error:
        raise Invalid(_("Choose a tariff."), field="tariff") from error
    found: Tariff = load(Tariff.objects.visible_to(by), key)
    return found


def _again(session: Transaction, values: QueryDict, reason: str, by: Actor) -> None:
    cost_decisions.price_again(session, tariff=_chosen(values, by), by=by, reason=reason)
    _look_again(session, reason, by)


def _amount(session: Transaction, values: QueryDict, reason: str, by: Actor) -> None:
    amount = _number(values.get("amount", ""), "amount")
    vat = _number(values["vat"], "vat") if values.get("vat", "").strip() else None
    chosen = _chosen(values, by)
    cost_decisions.set_amount(session, amount, vat=vat, tariff=chosen, by=by, reason=reason)
    _look_again(session, reason, by)


def _waive(session: Transaction, values: QueryDict, reason: str, by: Actor) -> None:
    exception = _exception(session)
    if exception is None:
        raise Conflict(
            _(
                "Billing has not looked at the session yet; it does some minutes after the end. Try again then."
            )
        )
    exceptions.resolve(exception, Decision.WAIVED, by=by, reason=reason)


def _look_again(session: Transaction, reason: str, by: Actor) -> None:
    """What waited in billing for its price goes on at once."""
    exception = _exception(session)
    if exception is not None:
        exceptions.resolve(exception, Decision.RETRIED, by=by, reason=reason)


def _number(text: str, field: str) -> Decimal:
    try:
        return Decimal(text.strip().replace(",", "."))
    except InvalidOperation as error:
        raise Invalid(_("Enter a number."), field=field) from error


DECIDE: Mapping[str, Callable[[Transaction, QueryDict, str, Actor], None]] = {
    "again": _again,
    "amount": _amount,
    "waive": _waive,
}
