"""Tariffs that 2.1 stations compute with, kept true: by default, and in sessions whose price follows (T-42, T-47).

A default is told where the station has another, under a name that says it is ours; what we told and what holds no
more is cleared. A running session is told a price of its frozen copy as that begins, after the default of the
sessions to come. What a station refuses it is asked again after an hour.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import translation

from core import turns
from stations.domain.intents import ChangeTransactionTariff, ClearTariffs, Intent, SetDefaultTariff
from stations.domain.station import StationRef
from stations.domain.station_tariffs import StationTariffStatus, TariffKind
from stations.domain.words import CommandStatus, TransactionStatus
from stations.models import ChargingStation, Command, Evse, StationTariff, Transaction, Variable
from stations.services import cost_displays, dynamic_tariffs, told_tariffs
from stations.services.cost_displays import ACTOR, PriceText
from tariffs import text
from tariffs.local_time import find_zone

DEFAULT = "default-"
"""What the names of our defaults begin with: a driver's tariff has that of its version alone."""
AT_ONCE = 100
AGAIN_AFTER = timedelta(hours=1)
FAILED_AGAIN_AFTER = timedelta(minutes=1)
_UNANSWERED = (CommandStatus.FAILED.value, CommandStatus.TIMED_OUT.value, CommandStatus.EXPIRED.value)
Native = dict[str, Any]


def keep(now: datetime) -> int:
    """Tell defaults that changed to stations that are connected; answers with how many commands that took."""
    return turns.through(
        _showing, lambda rows: sum(turns.guarded(one.pk, partial(_keep, one, now)) for one in rows)
    )


def change(now: datetime) -> int:
    """Tell running sessions the price of their copy that has begun; answers with how many commands that took."""
    return turns.through(
        _following, lambda rows: sum(turns.guarded(one.pk, partial(_change, one, now)) for one in rows)
    )


def _stations() -> QuerySet[ChargingStation]:
    shows = Variable.objects.filter(
        component="TariffCostCtrlr",
        variable="Enabled",
        variable_instance="Tariff",
        value__in=cost_displays.YES,
        attribute="Actual",
    )
    return ChargingStation.objects.filter(
        pk__in=shows.values("station"),
        presence__connected=True,
        presence__ocpp_version="2.1",
        enabled=True,
        retired_at=None,
    )


def _showing(done: set[Any]) -> Sequence[ChargingStation]:
    return list(_stations().exclude(pk__in=done).select_related("site").order_by("pk")[:AT_ONCE])


def _following(done: set[Any]) -> Sequence[Transaction]:
    """Sessions whose price follows, and those that took over the tariff of a reservation, which nobody told yet."""
    rows = Transaction.objects.filter(
        Q(frozen_tariff__tariff_changes__len__gt=0) | Q(frozen_tariff__reserved_from__isnull=False),
        status=TransactionStatus.ACTIVE.value,
        number=None,
        station__in=_stations(),
    )
    related = ("station__site", "site", "driver", "frozen_tariff__version")
    return list(rows.exclude(pk__in=done).select_related(*related).order_by("pk")[:AT_ONCE])


def _keep(station: ChargingStation, now: datetime) -> int:
    present = set(_installed(station).filter(transaction=None).values_list("evse_id", "tariff_id"))
    wanted = _wanted(station)
    count = 0
    for evse_id, tariff in wanted.items():
        if (evse_id, tariff["tariffId"]) not in present:
            tried = Q(parameters__evse_id=evse_id, parameters__tariff__tariffId=tariff["tariffId"])
            count += _issue(station.pk, SetDefaultTariff(tariff=tariff, evse_id=evse_id), tried, now)
    gone = sorted(name for evse_id, name in present if name.startswith(DEFAULT) and evse_id not in wanted)
    if gone:
        tried = Q(parameters__tariff_ids=gone)
        count += _issue(station.pk, ClearTariffs(tariff_ids=tuple(gone)), tried, now)
    return count


def _wanted(station: ChargingStation) -> dict[int, Native]:
    """The default of the station as EVSE 0, or those of its EVSEs where no price is that of all of them."""
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    told = {0: cost_displays.found_price(side)}
    if told[0] is None:
        evses = Evse.objects.filter(station=station, evse_id__gt=0).order_by("evse_id")
        told = {one.evse_id: cost_displays.found_price(side, evse_pk=one.pk) for one in evses}
    found = {evse_id: _default(price, evse_id) for evse_id, price in told.items() if price is not None}
    return {evse_id: tariff for evse_id, tariff in found.items() if tariff is not None}


def _default(price: PriceText, evse_id: int) -> Native | None:
    """Without words where these would have to change with the hour; the station has the figures of each."""
    native = cost_displays.native(price)
    if native is None:
        return None
    name = f"{DEFAULT}{price.found.version_id}{f'-{evse_id}' if evse_id else ''}"
    words = {} if price.tariff.varies else {"description": native["description"]}
    return {
        **{key: value for key, value in native.items() if key != "description"},
        **words,
        "tariffId": name,
    }


def _change(session: Transaction, now: datetime) -> int:
    """The copy's price of now, where the station has another: most began with that of the version of their start."""
    frozen = session.frozen_tariff
    told = told_tariffs.of_session(frozen, session, now)
    rows = _installed(session.station).filter(kind=TariffKind.TRANSACTION.value, transaction=session)
    present = rows.order_by("-told_at").values_list("tariff_id", flat=True).first()
    if present is None and frozen.reserved_from is None:
        present = str(frozen.version_id)
    if told is None or told["tariffId"] == present:
        return 0
    tried = Q(parameters__transaction=str(session.pk), parameters__tariff__tariffId=told["tariffId"])
    intent = ChangeTransactionTariff(transaction=session.pk, tariff={**told, **_words(session, now)})
    if _just_tried(session.station_id, intent, tried, now):
        return 0
    return _keep(session.station, now) + _issue(session.station_id, intent, tried, now)


def _words(session: Transaction, now: datetime) -> Mapping[str, Any]:
    frozen = session.frozen_tariff
    tariff, zone = dynamic_tariffs.holding(frozen, session, now).tariff, find_zone(frozen.time_zone)
    language = cost_displays.language_of(session.site, session.driver)
    with translation.override(language):
        content = text.fitted(text.describe(tariff, zone=zone, at=now), more_at=tariff.alt_url)
    return {"description": [{"format": "UTF8", "language": language, "content": content}]} if content else {}


def _installed(station: ChargingStation) -> QuerySet[StationTariff]:
    return StationTariff.objects.filter(station=station, status=StationTariffStatus.INSTALLED.value)


def _issue(station_id: UUID, intent: Intent, tried: Q, now: datetime) -> bool:
    return not _just_tried(station_id, intent, tried, now) and cost_displays.issue(station_id, intent)


def _just_tried(station_id: UUID, intent: Intent, tried: Q, now: datetime) -> bool:
    rows = Command.objects.filter(
        tried,
        station_id=station_id,
        command=intent.name,
        issued_by=ACTOR.label,
        issued_at__gt=now - AGAIN_AFTER,
    )
    return rows.exclude(status__in=_UNANSWERED, issued_at__lte=now - FAILED_AGAIN_AFTER).exists()
