"""Prices and costs told to stations that show them (tariffs T-45, T-46, T-47).

Which station shows what is known from its own variables: ``TariffCostCtrlr`` with the instances Cost and
Tariff, or the key ``CustomDisplayCostAndPrice``. Each thing told is a command like any other.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from django.conf import settings
from django.db.models import F, Q
from django.db.transaction import atomic
from django.utils import translation

from core import access, clock, turns
from core.clock import to_wire
from core.errors import DomainError
from drivers.models import Driver
from stations.domain.intents import CostUpdated, DataTransfer
from stations.domain.intents.base import Intent
from stations.domain.station import StationSide
from stations.domain.words import CommandStatus, TransactionStatus
from stations.models import (
    ChargingStation,
    Command,
    Connector,
    CostState,
    Evse,
    FrozenTariff,
    SessionCost,
    Site,
    TariffAssignment,
    Transaction,
    Variable,
)
from stations.models.frozen_tariffs import Level
from stations.services import commands, tariff_choice
from stations.services.costs_kept import parsed
from stations.services.session_usage import last_state
from stations.services.tariff_choice import Applicable, Place
from stations.services.vendors import COSTS
from tariffs import ocpp21_told, present, text
from tariffs.local_time import find_zone
from tariffs.pointers import InvalidDocument
from tariffs.structure import Tariff
from tariffs.usage import Conditions

logger = logging.getLogger(__name__)
Parameters = ParamSpec("Parameters")
Told = TypeVar("Told")

ACTOR = access.system("prices")
EVERY = timedelta(seconds=30)
AT_ONCE = 200
PATIENCE_S = 30
KEPT = 20
YES = ("true", "True", "TRUE", "1")
_INSTANCE = Q(component="TariffCostCtrlr", variable="Enabled", variable_instance__in=("Cost", "Tariff"))
KEY = Q(component="", variable__iexact="CustomDisplayCostAndPrice")
_RUNNING_COST = Q(command=CostUpdated.name) | Q(
    command=DataTransfer.name, parameters__message_id="RunningCost"
)
_BEGUN_BY_16 = Q(transaction__number__isnull=False)
LANGUAGE_OF_COUNTRY = {"AT": "de", "CH": "de", "LI": "de", "DE": "de"}


class Shows(StrEnum):
    """How a station takes what it shows."""

    COST = "cost"
    TARIFF = "tariff"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class PriceText:
    """The price before a start, in words, with the tariff it came from."""

    content: str
    language: str
    found: Applicable
    tariff: Tariff
    zone: ZoneInfo


def shown_by(station_ids: Iterable[UUID]) -> dict[UUID, set[Shows]]:
    """What each of these stations shows, as far as it told."""
    rows = Variable.objects.filter(_INSTANCE | KEY, station_id__in=set(station_ids), attribute="Actual")
    found: dict[UUID, set[Shows]] = {}
    for station_id, instance in rows.filter(value__in=YES).values_list("station_id", "variable_instance"):
        how = {"Cost": Shows.COST, "Tariff": Shows.TARIFF}.get(instance, Shows.MESSAGES)
        found.setdefault(station_id, set()).add(how)
    return found


def _unharmed(tell: Callable[Parameters, Told | None]) -> Callable[Parameters, Told | None]:
    """What is told of prices must never keep a car from charging, or an end from being answered."""

    @wraps(tell)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Told | None:
        try:
            return tell(*args, **kwargs)
        except Exception:
            logger.exception("price.untold", extra={"what": tell.__name__})
            return None

    return run


@_unharmed
def price_text(
    station: StationSide, *, token_type: str = "", driver: Driver | None = None
) -> PriceText | None:
    """The price that a session would have now; ``None`` where it is not one and the same.

    It is told in the language of the driver, else of the site. Before a start the EVSE is not known, so
    stations whose EVSEs or connectors have tariffs of their own get no text, unless the driver has a contract.
    """
    return found_price(station, token_type=token_type, driver=driver)


def found_price(
    station: StationSide,
    *,
    token_type: str = "",
    driver: Driver | None = None,
    evse_pk: UUID | None = None,
) -> PriceText | None:
    """As :func:`price_text`, maybe of one EVSE; what it stumbles over is the caller's."""
    place, certain = _place(station, driver, evse_pk)
    now = clock.now()
    found = tariff_choice.applicable(place, now, kind=tariff_choice.kind_of(token_type))
    if found is None or not (certain or found.level == Level.CONTRACT):
        return None
    tariff = parsed(found.document)
    zone, language = _zone_and_language(station, driver)
    with translation.override(language):
        sentences = text.describe(tariff, zone=zone, at=now)
        content = text.fitted(sentences, more_at=tariff.alt_url)
    return PriceText(content, language, found, tariff, zone) if content else None


def native(told: PriceText) -> dict[str, Any] | None:
    """The tariff as an OCPP 2.1 station computes with it; ``None`` where it cannot be said exactly (T-47)."""
    try:
        tariff = ocpp21_told.convert(told.tariff, tariff_id=str(told.found.version_id))
    except InvalidDocument:
        return None
    description = {"format": "UTF8", "language": told.language, "content": told.content}
    return {**tariff, "description": [description]}


@_unharmed
def tell_price(station: StationSide, token_value: str, *, driver: Driver | None = None) -> None:
    """SetUserPrice to a 1.6 station that shows prices, after a token was accepted."""
    if Shows.MESSAGES not in shown_by([station.station_id]).get(station.station_id, ()):
        return
    told = price_text(station, driver=driver)
    if told is None:
        return
    body = {"idToken": token_value, "priceText": told.content, "priceTextExtra": [
        {"format": "UTF8", "language": told.language, "content": told.content}]}  # fmt: skip
    issue(station.station_id, _message("SetUserPrice", body))


@_unharmed
def tell_final(cost: SessionCost | None) -> None:
    """FinalCost to a 1.6 station that shows costs; 2.x stations have it in the answer to the end."""
    if cost is None or not cost.is_final or cost.shown is None:
        return
    session = cost.transaction
    if Shows.MESSAGES in shown_by([session.station_id]).get(session.station_id, ()):
        issue(session.station_id, _message("FinalCost", _final(session, cost)))


def tell_running(now: datetime) -> int:
    """Tell what has changed since it was told; answers with how many.

    At most every 30 s for each session, but at once where a price changed (T-46).
    """
    return turns.through(lambda done: _due(now, done), lambda due: _tell_each(due, now))


def _tell_each(due: Sequence[SessionCost], now: datetime) -> int:
    shows = shown_by(cost.transaction.station_id for cost in due)
    count = 0
    for cost in due:
        ways = shows.get(cost.transaction.station_id, set())
        if intent := _running(cost, ways, now):
            count += _tell(cost, intent, now)
    return count


def _due(now: datetime, done: set[Any]) -> Sequence[SessionCost]:
    news = Q(told_at__lt=now - EVERY, computed_at__gt=F("told_at")) & ~Q(told_incl_vat=F("incl_vat"))
    rows = SessionCost.objects.filter(
        Q(told_at=None) | news | Q(price_changed_at__gt=F("told_at")),
        Q(incl_vat__gt=0) | Q(is_free=True),
        state=CostState.RUNNING,
        transaction__status=TransactionStatus.ACTIVE.value,
        transaction__station__presence__connected=True,
        transaction__station__enabled=True,
    )
    told = Variable.objects.filter(value__in=YES, attribute="Actual")
    figures = told.filter(_INSTANCE, variable_instance="Cost").values("station")
    messages = told.filter(KEY).values("station")
    rows = rows.filter(
        Q(_BEGUN_BY_16, transaction__station__in=messages)
        | Q(~_BEGUN_BY_16, transaction__station__in=figures)
    )
    rows = rows.exclude(pk__in=done).order_by(F("told_at").asc(nulls_first=True), "pk")
    return list(rows.select_related("transaction__station", "transaction__frozen_tariff")[:AT_ONCE])


def _tell(cost: SessionCost, intent: Intent, now: datetime) -> bool:
    """What could not be said stays untold."""
    with atomic():
        said = issue(cost.transaction.station_id, intent, audited=cost.told_at is None)
        if said:
            _forget_earlier(cost.transaction.station_id)
            SessionCost.objects.filter(pk=cost.pk).update(told_at=now, told_incl_vat=cost.incl_vat)
    return said


def _running(cost: SessionCost, ways: set[Shows], now: datetime) -> Intent | None:
    """In the words of the version that the session began by: a station may have told both ways in its time."""
    if cost.transaction.number is None:
        if Shows.COST not in ways or cost.shown is None:
            return None
        return CostUpdated(transaction=cost.transaction_id, total_cost=cost.shown)
    if Shows.MESSAGES in ways:
        return _message("RunningCost", _so_far(cost, now))
    return None


def _so_far(cost: SessionCost, now: datetime) -> dict[str, Any]:
    session = cost.transaction
    frozen = FrozenTariff.objects.get(transaction=session)
    tariff, zone = parsed(frozen.document), find_zone(frozen.time_zone)
    begin = min(frozen.reserved_from or session.started_at, session.started_at)
    conditions = Conditions(
        local=now.astimezone(zone),
        elapsed_s=Fraction(max(0, int((now - begin).total_seconds()))),
        kwh=Fraction(session.energy_wh or 0) / 1000,
    )
    return {
        "transactionId": session.number,
        "timestamp": to_wire(now),
        "meterValue": int(session.meter_last_wh or 0),
        "cost": _figure(cost.shown),
        "state": "Idle" if _is_idle(session) else "Charging",
        **_prices(present.prices_at(tariff, conditions), present.grace(tariff, conditions)),
        **_coming(tariff, conditions, zone, now, session),
    }


def _is_idle(session: Transaction) -> bool:
    return last_state(session) in ("SuspendedEV", "Finishing")


def _prices(one: present.Prices, grace: present.Grace | None) -> dict[str, Any]:
    told: dict[str, Any] = {"chargingPrice": charging_price(one)}
    if grace is not None:
        told["idlePrice"] = {"graceMinutes": grace.minutes, "hourPrice": _figure(grace.idle_hour)}
    return told


def charging_price(one: present.Prices) -> dict[str, float]:
    """The figures of a price as the cost extension has them."""
    return _known({"kWhPrice": one.kwh, "hourPrice": one.hour, "flatFee": one.flat})


def _coming(
    tariff: Tariff, now: Conditions, zone: ZoneInfo, at: datetime, session: Transaction
) -> dict[str, Any]:
    """The next prices by the clock, and when we want to hear of the meter because a price may change."""
    told: dict[str, Any] = {}
    trigger: dict[str, Any] = {}
    if change := present.next_change(tariff, now, zone, at):
        then, prices = change
        told["nextPeriod"] = {"atTime": to_wire(then), **_prices(prices, present.grace_of(prices))}
        trigger["atTime"] = to_wire(then)
    threshold = present.next_threshold_kwh(tariff, now)
    if threshold is not None:
        trigger["atEnergykWh"] = _figure(threshold + Decimal(session.meter_start_wh or 0) / 1000)
    if trigger:
        told["triggerMeterValue"] = trigger
    return told


def _final(session: Transaction, cost: SessionCost) -> dict[str, Any]:
    language = language_of(session.site, session.driver)
    lines = cost.texts.get(language) or cost.texts.get("en") or []
    words = text.fitted(
        [one["text"] for one, line in zip(lines, cost.lines, strict=True) if line["price"] is not None]
    )
    told: dict[str, Any] = {"transactionId": session.number, "cost": _figure(cost.shown), "priceText": words}
    return told | {"priceTextExtra": [{"format": "UTF8", "language": language, "content": words}]}


def _message(name: str, body: Mapping[str, Any]) -> DataTransfer:
    return DataTransfer(vendor_id=COSTS, message_id=name, data=orjson.dumps(body).decode())


def _forget_earlier(station_id: UUID) -> None:
    """A running cost is worth nothing once a later one is told: so many that have ended are kept of a station.

    Each is followed to its end all the same, since only those that have ended go (decision 18).
    """
    told = Command.objects.filter(_RUNNING_COST, station_id=station_id, issued_by=ACTOR.label)
    ended = told.exclude(status__in=(CommandStatus.PENDING.value, CommandStatus.SENT.value))
    # Keys are made in order of time.
    earlier = ended.order_by("-id").values_list("pk", flat=True)[KEPT : KEPT + AT_ONCE]
    Command.objects.filter(pk__in=list(earlier)).delete()


def issue(station_id: UUID, intent: Intent, *, audited: bool = True) -> bool:
    """Whether it became a command. A full queue or a station switched off is no reason to fail: it is told later."""
    try:
        with atomic():
            commands.issue(
                ChargingStation.objects.get(pk=station_id),
                intent,
                by=ACTOR,
                patience_s=PATIENCE_S,
                audited=audited,
            )
    except DomainError:
        return False
    return True


def _place(station: StationSide, driver: Driver | None, evse_pk: UUID | None) -> tuple[Place, bool]:
    """Where a session would be, and whether the EVSE and the connector that are not known yet do not matter."""
    evses = list(Evse.objects.filter(station_id=station.station_id).values_list("pk", flat=True)[:2])
    only = evse_pk or (evses[0] if len(evses) == 1 else None)
    place = Place(
        station.organization_id,
        station.site_id,
        station.station_id,
        only,
        driver_id=driver.pk if driver else None,
    )
    holding = TariffAssignment.objects.current().filter(organization_id=station.organization_id)
    if only is None and holding.filter(evse__station_id=station.station_id).exists():
        return place, False
    typed = holding.exclude(connector_type="").exists()
    types = Connector.objects.filter(evse=only).values("type").distinct()
    return place, not typed or (only is not None and types.count() == 1)


def _zone_and_language(station: StationSide, driver: Driver | None) -> tuple[ZoneInfo, str]:
    site = None if station.site_id is None else Site.objects.filter(pk=station.site_id).first()
    return find_zone(site.time_zone if site else settings.TIME_ZONE), language_of(site, driver)


def language_of(site: Site | None, driver: Driver | None) -> str:
    """Who has chosen a language is told prices in it; others in that of the site's country, where we have it."""
    chosen = driver.language if driver else ""
    language = chosen or LANGUAGE_OF_COUNTRY.get(site.country if site else "", "en")
    return language if language in dict(settings.LANGUAGES) else "en"


def _known(values: Mapping[str, Decimal | None]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None}


def _figure(value: Decimal | None) -> float:
    return float(value or 0)
