"""Tariffs that 2.1 stations compute with, kept true: by default, and in sessions whose price follows (T-42, T-47).

A default is told where the station has another, under a name that says it is ours; what we told and what holds no
more is cleared. A running session is told a price of its frozen copy as that begins, after the default of the
sessions to come. What a station refuses, or answers with an error, it is asked again after an hour; what it did not
hear, after a minute.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import translation

from core import turns
from stations.domain.intents import ChangeTransactionTariff, ClearTariffs, Intent, SetDefaultTariff
from stations.domain.station import StationRef
from stations.domain.station_tariffs import StationTariffStatus, TariffKind
from stations.domain.words import CommandStatus, TransactionStatus
from stations.models import (
    Alert,
    ChargingStation,
    Command,
    StationTariff,
    TariffAssignment,
    Transaction,
    Variable,
)
from stations.services import alerts, cost_displays, dynamic_tariffs, native_defaults, told_tariffs
from stations.services.cost_displays import ACTOR
from stations.services.costs_kept import parsed
from stations.services.native_defaults import Wanted
from tariffs import ocpp21_told, text
from tariffs.local_time import find_zone
from tariffs.pointers import InvalidDocument

DEFAULT = "default-"
"""What the names of our defaults begin with: a driver's tariff has that of its version alone."""
UNTOLD = "session_tariff_untold"
"""The kind of the alert for a price that cannot be said exactly, while the one before goes on."""
AT_ONCE = 100
AGAIN_AFTER = timedelta(hours=1)
UNHEARD_AGAIN_AFTER = timedelta(minutes=1)
_UNHEARD = Q(status=CommandStatus.EXPIRED.value) | Q(
    status=CommandStatus.FAILED.value, error__code__in=("offline", "disconnected", "busy")
)
_TIMED_OUT = Q(status=CommandStatus.TIMED_OUT.value)
_INSTALLED = StationTariffStatus.INSTALLED.value
Native = dict[str, Any]
Present = set[tuple[int, str]]
"""Numbers of EVSEs, 0 for all, and the names of the tariffs installed there."""


def keep(now: datetime) -> int:
    """Tell defaults that changed to stations that are connected; answers with how many commands that took."""
    _forget_ended(now)
    return turns.through(
        _showing, lambda rows: turns.guarded("default tariffs", partial(_keep_all, rows, now))
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
    """By chance, so that those which a turn does not reach are others in the next one."""
    ours = StationTariff.objects.filter(tariff_id__startswith=DEFAULT, status=_INSTALLED, transaction=None)
    rows = _stations().filter(
        Q(organization__in=TariffAssignment.objects.values("organization")) | Q(pk__in=ours.values("station"))
    )
    return list(rows.exclude(pk__in=done).order_by("?")[:AT_ONCE])


def _following(done: set[Any]) -> Sequence[Transaction]:
    """Sessions whose price follows, and those that took over the tariff of a reservation, which nobody told yet."""
    rows = Transaction.objects.filter(
        Q(frozen_tariff__tariff_changes__len__gt=0) | Q(frozen_tariff__reserved_from__isnull=False),
        status=TransactionStatus.ACTIVE.value,
        number=None,
        station__in=_stations(),
    )
    related = ("station__site", "site", "driver", "frozen_tariff__version")
    return list(rows.exclude(pk__in=done).select_related(*related).order_by("?")[:AT_ONCE])


def _keep_all(stations: Sequence[ChargingStation], now: datetime) -> int:
    wanted = native_defaults.wanted(stations, now)
    present: dict[UUID, Present] = {one.pk: set() for one in stations}
    rows = StationTariff.objects.filter(station__in=present, status=_INSTALLED, transaction=None)
    for station_pk, evse_id, name in rows.values_list("station_id", "evse_id", "tariff_id"):
        present[station_pk].add((evse_id, name))
    return sum(
        turns.guarded(one.pk, partial(_keep, one, wanted[one.pk], present[one.pk], now)) for one in stations
    )


def _keep(station: ChargingStation, wanted: Mapping[int, Wanted], present: Present, now: datetime) -> int:
    """Names are compared first: what a station has already is not put in words again."""
    kept, count = set(), 0
    for evse_id, one in wanted.items():
        if not _can_be_said(one.found.version_id, one.found.document):
            continue
        kept.add(evse_id)
        name = _name(one.found.version_id, evse_id)
        tried = _tried(station.pk, SetDefaultTariff, evse_id=evse_id, tariff__tariffId=name)
        if (evse_id, name) in present or _just_tried(tried, now):
            continue
        tariff = _default(station, one, evse_id)
        if tariff is not None:
            count += _issue(station.pk, SetDefaultTariff(tariff=tariff, evse_id=evse_id), tried)
    gone = sorted(name for evse_id, name in present if name.startswith(DEFAULT) and evse_id not in kept)
    tried = _tried(station.pk, ClearTariffs, tariff_ids=gone)
    if gone and not _just_tried(tried, now):
        count += _issue(station.pk, ClearTariffs(tariff_ids=tuple(gone)), tried)
    return count


@lru_cache(maxsize=1024)
def _can_be_said(version_id: UUID, document: str) -> bool:
    """Asked every minute of each station; what is published never changes."""
    try:
        ocpp21_told.convert(parsed(document), tariff_id=str(version_id))
    except InvalidDocument:
        return False
    return True


def _name(version_id: UUID, evse_id: int) -> str:
    return f"{DEFAULT}{version_id}{f'-{evse_id}' if evse_id else ''}"


def _default(station: ChargingStation, wanted: Wanted, evse_id: int) -> Native | None:
    """Without words where these would have to change with the hour; the station has the figures of each."""
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    price = cost_displays.found_price(side, evse_pk=wanted.evse_pk)
    native = None if price is None else cost_displays.native(price)
    if price is None or native is None:
        return None
    words = {} if price.tariff.varies else {"description": native["description"]}
    return {
        **{key: value for key, value in native.items() if key != "description"},
        **words,
        "tariffId": _name(price.found.version_id, evse_id),
    }


def _change(session: Transaction, now: datetime) -> int:
    """The copy's price of now, where the station has another: most began with that of the version of their start."""
    frozen = session.frozen_tariff
    told = told_tariffs.of_session(frozen, session, now)
    rows = StationTariff.objects.filter(station=session.station_id, status=_INSTALLED)
    rows = rows.filter(kind=TariffKind.TRANSACTION.value, transaction=session)
    present = rows.order_by("-told_at").values_list("tariff_id", flat=True).first()
    if present is None and frozen.reserved_from is None:
        present = str(frozen.version_id)
    if told is None:
        _notice(session, present, now)
    if told is None or told["tariffId"] == present:
        return 0
    tried = _tried(
        session.station_id,
        ChangeTransactionTariff,
        transaction=str(session.pk),
        tariff__tariffId=told["tariffId"],
    )
    if _just_tried(tried, now):
        return 0
    alerts.clear(UNTOLD, station_id=session.station_id, at=now, subject=str(session.pk))
    intent = ChangeTransactionTariff(transaction=session.pk, tariff={**told, **_words(session, now)})
    return _keep_all([session.station], now) + _issue(session.station_id, intent, tried)


def _notice(session: Transaction, present: str | None, now: datetime) -> None:
    """Once for each session: its station goes on with a price that holds no more, and there is no other to tell it."""
    frozen = session.frozen_tariff
    holds = str(dynamic_tariffs.holding(frozen, session, now).version_id)
    if present in (None, holds):
        return
    of_start = present == str(frozen.version_id)
    if of_start and told_tariffs.of_session(frozen, session, session.started_at) is None:
        return
    subject = str(session.pk)
    if Alert.objects.filter(station=session.station_id, kind=UNTOLD, subject=subject).exists():
        return
    alerts.raise_(
        UNTOLD,
        station_id=session.station_id,
        organization_id=session.organization_id,
        severity=Alert.Severity.WARNING,
        detail=f"The price that holds now for session {session.reference} cannot be said exactly in OCPP 2.1; "
        "the station goes on with the one before. Ours is billed.",
        at=now,
        subject=subject,
    )


def _forget_ended(now: datetime) -> None:
    """What could not be said to a session is no matter once it has ended."""
    told = Alert.objects.filter(kind=UNTOLD, cleared_at=None).values_list("station_id", "subject")
    of_session = {subject: station for station, subject in told if station is not None}
    ended = Transaction.objects.filter(pk__in=of_session).exclude(status=TransactionStatus.ACTIVE.value)
    for key in ended.values_list("pk", flat=True):
        alerts.clear(UNTOLD, station_id=of_session[str(key)], at=now, subject=str(key))


def _words(session: Transaction, now: datetime) -> Mapping[str, Any]:
    frozen = session.frozen_tariff
    tariff, zone = dynamic_tariffs.holding(frozen, session, now).tariff, find_zone(frozen.time_zone)
    language = cost_displays.language_of(session.site, session.driver)
    with translation.override(language):
        content = text.fitted(text.describe(tariff, zone=zone, at=now), more_at=tariff.alt_url)
    return {"description": [{"format": "UTF8", "language": language, "content": content}]} if content else {}


def _tried(station_id: UUID, intent: type[Intent], **parameters: Any) -> QuerySet[Command]:
    """The same wish, whenever it was told."""
    named = {f"parameters__{name}": value for name, value in parameters.items()}
    return Command.objects.filter(**named, station_id=station_id, command=intent.name, issued_by=ACTOR.label)


def _just_tried(tried: QuerySet[Command], now: datetime) -> bool:
    """Who never answers may have been away once; an error would be the same in a minute."""
    lately = tried.filter(issued_at__gt=now - AGAIN_AFTER)
    if lately.filter(issued_at__gt=now - UNHEARD_AGAIN_AFTER).exists():
        return True
    return lately.exclude(_UNHEARD | _TIMED_OUT).exists() or lately.filter(_TIMED_OUT).count() > 1


def _issue(station_id: UUID, intent: Intent, tried: QuerySet[Command]) -> bool:
    """The first is audited, and not what repeats it."""
    return cost_displays.issue(station_id, intent, audited=not tried.exists())
