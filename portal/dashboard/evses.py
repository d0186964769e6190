"""One EVSE: its card, and what can be done at it. The answer appears under the pressed control."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotFound
from drivers.models import IdToken, TokenStatus, blocks
from portal.dashboard import reserved
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, render_page
from portal.dashboard.stations import one_with_evses
from portal.dashboard.words import CHARGING_REASON
from stations.domain import intents
from stations.domain.words import Capability, TransactionStatus
from stations.models import ChargingStation, Command, Evse, Reservation, Transaction
from stations.services import commands
from stations.services.smart_charging import looking
from stations.services.smart_charging.looking import LimitNow, Limits

TEMPLATE = "dashboard/stations/live.html"
TOKENS_OFFERED = 50
SAID_AT_THE_EVSE = frozenset(
    {
        "request_start_transaction",
        "request_stop_transaction",
        "unlock_connector",
        "reserve_now",
        "cancel_reservation",
        "notify_web_payment_started",
    }
)
SAID_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Card:
    """What one EVSE's card shows."""

    evse: Evse
    session: Transaction | None
    command: Command | None
    raw: str
    connector: Any
    limit: LimitNow | None = None
    reservation: Reservation | None = None
    reservable: bool = True
    payable: bool = False


@require_safe
@operator(Permission.STATIONS_VIEW)
def card(request: OperatorRequest, pk: UUID, evse_id: int) -> HttpResponse:
    return answer(request, pk, evse_id)


@require_POST
@operator(Permission.COMMANDS_SESSION)
def start(request: OperatorRequest, pk: UUID, evse_id: int) -> HttpResponse:
    station = _station(request, pk)
    token = chosen_token(request)
    intent = intents.RequestStartTransaction(token_value=token.value, token_type=token.type, evse_id=evse_id)
    commands.issue(station, intent, by=request.actor)
    return answer(request, pk, evse_id)


@require_POST
@operator(Permission.COMMANDS_SESSION)
def stop(request: OperatorRequest, pk: UUID, evse_id: int) -> HttpResponse:
    station = _station(request, pk)
    session = Transaction.objects.visible_to(request.actor).filter(
        station=station, evse__evse_id=evse_id, status="active"
    )
    running = session.first()
    if running is None:
        raise Conflict(_("No session is running here any more."))
    commands.issue(station, intents.RequestStopTransaction(transaction=running.pk), by=request.actor)
    return answer(request, pk, evse_id)


@require_POST
@operator(Permission.COMMANDS_SESSION)
def unlock(request: OperatorRequest, pk: UUID, evse_id: int) -> HttpResponse:
    station = _station(request, pk)
    try:
        connector_id = int(request.POST.get("connector_id", "1"))
    except ValueError as error:
        raise Invalid(_("Choose a connector."), field="connector_id") from error
    commands.issue(
        station, intents.UnlockConnector(evse_id=evse_id, connector_id=connector_id), by=request.actor
    )
    return answer(request, pk, evse_id)


@require_POST
@operator(Permission.COMMANDS_SESSION)
def web_payment(request: OperatorRequest, pk: UUID, evse_id: int) -> HttpResponse:
    """Tell the station that somebody pays for this EVSE on the web."""
    station = _station(request, pk)
    text = request.POST.get("timeout_s", "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Invalid(_("A whole number is expected."), field="timeout_s")
    intent = intents.NotifyWebPaymentStarted(evse_id=evse_id, timeout_s=int(text))
    commands.issue(station, intent, by=request.actor)
    return answer(request, pk, evse_id)


def recent_commands(station: ChargingStation) -> list[Command]:
    """The last commands of the station, newest first, enough to find each EVSE's last one."""
    return list(station.commands.select_related("transaction__evse").order_by("-id")[:20])


def contents(
    evse: Evse,
    station: ChargingStation,
    recent: list[Command],
    limits: Limits,
    kept: dict[UUID, Reservation],
) -> Card:
    evse.station = station
    session = evse.active if evse.active and evse.active.status == TransactionStatus.ACTIVE else None
    connectors = list(evse.connectors.all())
    connector = next(
        (one for one in connectors if one.status not in ("", "Available")), next(iter(connectors), None)
    )
    raw = (
        session.charging_state
        if session and session.charging_state
        else (connector.status if connector else "")
    )
    said = next((one for one in recent if _concerns(one, evse)), None)
    limit = looking.limit_of(limits, evse)
    reservable = session is None and station.supports(Capability.RESERVATION)
    payable = session is None and station.supports(Capability.WEB_PAYMENT)
    return Card(evse, session, said, raw, connector, limit, kept.get(evse.pk), reservable, payable)


def tokens_to_start_with(actor: Actor) -> Any:
    """Tokens that may be sent with a start, the newest first."""
    now = clock.now()
    tokens = IdToken.objects.visible_to(actor).live().filter(IdToken.of_status(TokenStatus.ACCEPTED, now))
    return tokens.exclude(blocks.in_force(now, "driver__")).select_related("driver").order_by("-id")


def chosen_token(request: OperatorRequest) -> IdToken:
    """The token of the form, among those that may be sent."""
    try:
        pk = UUID(request.POST.get("token", ""))
    except ValueError as error:
        raise Invalid(_("Choose a token."), field="token") from error
    token: IdToken = load(tokens_to_start_with(request.actor), pk, _("Choose a token."))
    return token


def _concerns(command: Command, evse: Evse) -> bool:
    """Whether the answer still belongs under the controls of this EVSE."""
    if command.command not in SAID_AT_THE_EVSE or command.issued_at < clock.now() - SAID_FOR:
        return False
    of_session = command.transaction.evse_id if command.transaction else None
    return command.evse_id == evse.evse_id or of_session == evse.pk


def _station(request: OperatorRequest, pk: UUID) -> ChargingStation:
    return load(ChargingStation.objects.visible_to(request.actor), pk)


def answer(request: OperatorRequest, pk: UUID, evse_id: int) -> HttpResponse:
    """The EVSE's card for htmx, the station's page for a plain form."""
    station = one_with_evses(request, pk)
    if not request.htmx:
        return go(request, address(request, "station", pk))
    evse = next((one for one in station.shown_evses if one.evse_id == evse_id), None)
    if evse is None:
        raise NotFound(_("The station has no such EVSE."))
    context = {
        "station": station,
        "card": contents(
            evse,
            station,
            recent_commands(station),
            looking.read(station.pk),
            reserved.by_evse(reserved.kept_now(station)),
        ),
        "reasons": CHARGING_REASON,
        "tokens": tokens_to_start_with(request.actor)[:TOKENS_OFFERED],
        "minutes": reserved.MINUTES,
        "usual": reserved.USUAL,
    }
    return render_page(request, TEMPLATE, context, partial="card")
