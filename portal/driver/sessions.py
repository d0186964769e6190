"""A driver's sessions: the running one on top, past ones by month, each with its price lines."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import formats
from django.views.decorators.http import require_safe

from billing.models import Cdr, Invoice
from billing.services import home_sessions
from core import clock
from portal import session_price, signed_values
from portal.driver import words
from portal.driver.entry import DriverRequest, load, own
from portal.driver.invoices import own_invoices
from stations.domain.words import TransactionStatus
from stations.models import Transaction
from stations.services.session_usage import last_state

AT_ONCE = 50


def own_sessions(request: DriverRequest) -> QuerySet[Transaction]:
    """The sessions that began with one of the person's cards."""
    rows = Transaction.objects.filter(driver__in=request.drivers)
    rows = rows.select_related("station__presence", "station__organization", "site", "evse", "cost", "token")
    paid = Cdr.objects.filter(
        transaction=OuterRef("pk"), credit=False, credited_by=None, home_agreement__isnull=False
    )
    return home_sessions.marked(rows).annotate(
        paid=Subquery(paid.values("payable_excl_vat")[:1]),
        paid_currency=Subquery(paid.values("currency")[:1]),
    )


@require_safe
@own
def home(request: DriverRequest) -> HttpResponse:
    active = TransactionStatus.ACTIVE.value
    running = list(own_sessions(request).filter(status=active).order_by("-started_at")[:AT_ONCE])
    past = own_sessions(request).exclude(status=active).order_by("-started_at", "-id")
    rows = list(_beyond(past, request)[: AT_ONCE + 1])
    context = {
        "running": [figures(one) for one in running],
        "past": [figures(one) for one in rows[:AT_ONCE]],
        "more": rows[AT_ONCE - 1].pk if len(rows) > AT_ONCE else "",
        "here": "sessions",
    }
    return render(request, "driver/home.html", context)


@require_safe
@own
def show(request: DriverRequest, pk: Any) -> HttpResponse:
    session = load(own_sessions(request).select_related("frozen_tariff__version__tariff"), pk)
    connected = session.station.presence.connected
    shown = figures(session)
    price = None if shown["at_home"] else session_price.of(session)
    live = session.status == TransactionStatus.ACTIVE
    context = {
        **shown,
        "told": words.running(session, last_state(session), connected=connected),
        "live": live,
        "changing": live or (price is not None and not price.cause and not price.is_final),
        "price": price,
        "stop": session.commands.filter(command="request_stop_transaction").order_by("-id").first(),
        "now": clock.now(),
        "signed": None if live else signed_values.shown(session),
        "invoices": [] if live else _invoices_of(session, request),
        "statements": _statements_of(session, request) if shown["at_home"] else [],
        "here": "sessions",
    }
    return render(request, "driver/session.html", context)


def _invoices_of(session: Transaction, request: DriverRequest) -> list[Invoice]:
    """Issued documents of the person that the session is on."""
    rows = own_invoices(request).filter(lines__cdr__transaction=session, lines__voided_at=None)
    return list(rows.distinct().order_by("id"))


def _statements_of(session: Transaction, request: DriverRequest) -> list[Invoice]:
    """By which the person is paid for charging at home (billing B-52)."""
    shares = {"shares__cdr__transaction": session, "shares__home_agreement__isnull": False}
    return list(own_invoices(request).filter(**shares).distinct().order_by("id"))


def _beyond(past: QuerySet[Transaction], request: DriverRequest) -> QuerySet[Transaction]:
    """What lies before the session that ``before`` names; all where it names none of the person's."""
    try:
        key = UUID(request.GET.get("before", ""))
    except ValueError:
        return past
    last = past.filter(pk=key).values_list("started_at", "pk").first()
    if last is None:
        return past
    earlier = Q(started_at__lt=last[0]) | Q(started_at=last[0], pk__lt=last[1])
    return past.filter(Q(started_at__lte=last[0]) & earlier)


def figures(session: Transaction) -> dict[str, Any]:
    """What every page says of a session of ``own_sessions``; energy and power are empty where nothing was measured.

    ``cost`` of charging at home is what the person is paid, without VAT, once that is known.
    """
    at_home = bool(getattr(session, "at_home", False))
    zone = session.site.time_zone if session.site else "UTC"
    return {
        "session": session,
        "kwh": _thousandth(session.energy_wh, 2),
        "kw": _thousandth(session.power_w, 1),
        "month": session.started_at.astimezone(ZoneInfo(zone)).date().replace(day=1),
        "at_home": at_home,
        "cost": _paid(session) if at_home else _cost(session),
        "zone": zone,
        "minutes": int(((session.ended_at or clock.now()) - session.started_at).total_seconds() // 60),
    }


def _cost(session: Transaction) -> str:
    cost = getattr(session, "cost", None)
    return session_price.told(cost.incl_vat, cost.currency) if cost else ""


def _paid(session: Transaction) -> str:
    return session_price.told(getattr(session, "paid", None), getattr(session, "paid_currency", None) or "")


def _thousandth(value: Decimal | None, decimals: int) -> str:
    """Rounded here, since ``number_format`` cuts."""
    if value is None:
        return ""
    rounded = (value / 1000).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return formats.number_format(rounded, decimals)
