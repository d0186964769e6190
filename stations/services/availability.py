"""What connectors, EVSEs and stations say of themselves (2.0.1 G01, 1.6 section 4.9; ocpp.md P190 to P198).

One statement reads and one writes the connectors of all stations in a batch. Who locks what: connectors by
id, then the transaction that a status contradicts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.db.transaction import atomic

from core import access, clock
from core.errors import DomainError
from stations import live
from stations.domain.events import ConnectorStatusReported, VariableReported
from stations.domain.intents import TriggerMessage
from stations.domain.station import StationSide
from stations.domain.words import Capability, Flag, TransactionStatus
from stations.models import Alert, ChargingStation, Command, Connector, Evse, Transaction, Variable
from stations.services import alerts, commands, device_model, effects, plugs, stations

MAX_CONNECTORS = 64
FAULTED = "Faulted"
AVAILABLE = "Available"
STATION_WORDS = frozenset({AVAILABLE, "Unavailable", FAULTED})
CONNECTOR_FAULT = "connector_faulted"
STATION_FAULT = "station_faulted"
ODD_STATUS = "unusual_status"
TOO_MANY = "too_many_connectors"
DETAILS = ("status", "error_code", "info", "vendor_id", "vendor_error_code")

Report = tuple[StationSide, ConnectorStatusReported]
Place = tuple[UUID, int, int]


class Change(NamedTuple):
    """A connector that is in another state than before."""

    station: StationSide
    report: ConnectorStatusReported
    connector: Connector
    before: str
    at: datetime


def store(reports: Sequence[Report]) -> int:
    """Take the states in the order of the reports, of one station or many; how many changed something.

    A state that is older than the known one, or the same, leaves no trace (P191, P198).
    """
    with atomic():
        changes = _apply([pair for pair in reports if _is_of_connector(pair[1])])
        above = sum(_store_above(*pair) for pair in reports if not _is_of_connector(pair[1]))
        _write([change.connector for change in changes])
        for change in changes:
            _follow_up(change)
        _observe(reports)
        for station in {change.station.station_id: change.station for change in changes}.values():
            _tell(station)
    return len(changes) + above


def time_of(report: ConnectorStatusReported) -> datetime:
    """Since when the state holds; a clock that runs ahead must not bar the next states."""
    return min(report.stamp.occurred_at, report.stamp.received_at)


def settle_if_so(station: StationSide, evse_id: int | None) -> None:
    """A change of availability to what is so already brings no report; it is seen as done."""
    connectors = Connector.objects.filter(evse__station_id=station.station_id)
    if evse_id is not None:
        connectors = connectors.filter(evse__evse_id=evse_id)
    words = set(connectors.values_list("status", flat=True))
    for wanted in effects.OPERATIVE.values():
        if words and words <= set(wanted):
            effects.is_available(station.station_id, evse_id or 0, min(words))


def _is_of_connector(report: ConnectorStatusReported) -> bool:
    return report.evse_id > 0 and report.connector_id > 0


def _apply(reports: Sequence[Report]) -> list[Change]:
    known = _known({station.station_id for station, _ in reports})
    _make_missing(reports, known)
    changes: list[Change] = []
    for station, report in reports:
        connector = known.get(_place(station, report))
        if connector is None or not _is_news(connector, report):
            continue
        before, at = connector.status, time_of(report)
        for name in DETAILS:
            setattr(connector, name, getattr(report, name))
        connector.status_at = at
        changes.append(Change(station, report, connector, before, at))
    return changes


def _known(station_ids: Iterable[UUID]) -> dict[Place, Connector]:
    rows = (
        Connector.objects.select_for_update(of=("self",), no_key=True)
        .select_related("evse")
        .filter(evse__station_id__in=list(station_ids))
        .order_by("pk")
    )
    return {(row.evse.station_id, row.evse.evse_id, row.connector_id): row for row in rows}


def _place(station: StationSide, report: ConnectorStatusReported) -> Place:
    return (station.station_id, report.evse_id, report.connector_id)


def _make_missing(reports: Sequence[Report], known: dict[Place, Connector]) -> None:
    """Connectors not seen before join the known ones, by the same few statements however many they are."""
    missing = _missing(reports, known)
    if not missing:
        return
    made = [
        Evse(station_id=station_id, evse_id=evse_id, code=stations.make_code())
        for station_id, evse_id in sorted({place[:2] for place in missing})
    ]
    Evse.objects.bulk_create(made, ignore_conflicts=True)
    of = {place[0] for place in missing}
    evses = {(row.station_id, row.evse_id): row for row in Evse.objects.filter(station_id__in=of)}
    words = plugs.known(of)
    rows = [
        Connector(evse=evses[place[:2]], connector_id=place[2], type=words.get(place, ""))
        for place in sorted(missing)
    ]
    Connector.objects.bulk_create(rows, ignore_conflicts=True)
    stored = Connector.objects.select_related("evse").filter(evse__in={row.evse_id for row in rows})
    for row in stored:
        known.setdefault((row.evse.station_id, row.evse.evse_id, row.connector_id), row)


def _missing(reports: Sequence[Report], known: Mapping[Place, Connector]) -> set[Place]:
    """What the reports name and nobody knows, within the limit of a station (P192)."""
    held = Counter(place[0] for place in known)
    missing: set[Place] = set()
    for station, report in reports:
        place = _place(station, report)
        if place in known or place in missing:
            continue
        if held[station.station_id] >= MAX_CONNECTORS:
            _warn_of_many(station, report)
            continue
        held[station.station_id] += 1
        missing.add(place)
    return missing


def _warn_of_many(station: StationSide, report: ConnectorStatusReported) -> None:
    alerts.raise_(
        TOO_MANY,
        station_id=station.station_id,
        organization_id=station.organization_id,
        severity=Alert.Severity.WARNING,
        detail=f"The station reports more than {MAX_CONNECTORS} connectors; the others are not shown.",
        at=report.stamp.received_at,
    )


def _is_news(connector: Connector, report: ConnectorStatusReported) -> bool:
    if connector.status_at is not None and time_of(report) < connector.status_at:
        return False
    return any(getattr(connector, name) != getattr(report, name) for name in DETAILS)


def _write(connectors: Sequence[Connector]) -> None:
    rows = list({connector.pk: connector for connector in connectors}.values())
    if not rows:
        return
    columns = [[getattr(row, name) for row in rows] for name in ("pk", "status_at", *DETAILS)]
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE, columns)


def _follow_up(change: Change) -> None:
    report = change.report
    subject = f"{report.evse_id}/{report.connector_id}"
    if report.status == FAULTED:
        _alert(CONNECTOR_FAULT, change.station, report, subject, f"Connector {subject}")
    elif change.before == FAULTED:
        alerts.clear(CONNECTOR_FAULT, station_id=change.station.station_id, at=change.at, subject=subject)
    active_id = change.connector.evse.active_id
    if report.status == AVAILABLE and active_id is not None:
        _question(change, active_id)


def _alert(kind: str, station: StationSide, report: ConnectorStatusReported, subject: str, name: str) -> None:
    told = [report.error_code, report.vendor_error_code, report.info]
    detail = " · ".join(text for text in told if text and text != "NoError")
    alerts.raise_(
        kind,
        station_id=station.station_id,
        organization_id=station.organization_id,
        severity=Alert.Severity.CRITICAL,
        detail=f"{name} reports a fault: {detail or 'no cause given'}.",
        at=report.stamp.received_at,
        subject=subject,
    )


def _question(change: Change, transaction_id: UUID) -> None:
    """A free connector and a running session contradict: mark the session, ask the station, end nothing (P194)."""
    running = Q(pk=transaction_id, status=TransactionStatus.ACTIVE.value, started_at__lte=change.at)
    running &= Q(connector_id=None) | Q(connector_id=change.report.connector_id)
    unmarked = Transaction.objects.select_for_update(no_key=True).filter(running)
    transaction = unmarked.exclude(flags__contains=[Flag.AVAILABLE_DURING_SESSION.value]).first()
    if transaction is None:
        return
    transaction.flags = sorted({*transaction.flags, Flag.AVAILABLE_DURING_SESSION.value})
    transaction.save(update_fields=["flags"])
    live.announce_on_commit(
        "transaction",
        transaction.organization_id,
        transaction.id,
        site_id=transaction.site_id,
        station_id=transaction.station_id,
    )
    _ask(change)


def _ask(change: Change) -> None:
    station = ChargingStation.objects.get(pk=change.station.station_id)
    tells = station.supports(Capability.TRANSACTION_STATUS)
    intent = TriggerMessage(
        message="transaction_event" if tells else "meter_values", evse_id=change.report.evse_id
    )
    try:
        with atomic():
            commands.issue(
                station,
                intent,
                by=access.system("availability"),
                reason="The connector is available though a session is running.",
            )
    except DomainError:
        # A full queue or a station switched off: the session stays marked, and a person looks.
        return


def _store_above(station: StationSide, report: ConnectorStatusReported) -> bool:
    """The state of a whole EVSE or station: kept as its variable, mapped to no connector (P190, P193)."""
    whole = report.evse_id == 0
    variable = VariableReported(
        component="ChargingStation" if whole else "EVSE",
        evse_id=None if whole else report.evse_id,
        variable="AvailabilityState",
        value=report.status,
        mutability="ReadOnly",
        data_type="OptionList",
    )
    at = time_of(report)
    known = Variable.objects.filter(
        station_id=station.station_id,
        component=variable.component,
        evse_id=variable.evse_id,
        connector_id=None,
        variable=variable.variable,
        attribute=variable.attribute,
    ).first()
    if known is not None and (known.changed_at > at or known.value == report.status):
        return False
    device_model.store(station, [variable], at)
    _follow_up_above(station, report, at)
    return True


def _follow_up_above(station: StationSide, report: ConnectorStatusReported, at: datetime) -> None:
    subject = str(report.evse_id) if report.evse_id else ""
    if report.status == FAULTED:
        _alert(STATION_FAULT, station, report, subject, f"EVSE {subject}" if subject else "The station")
    else:
        alerts.clear(STATION_FAULT, station_id=station.station_id, at=at, subject=subject)
    if report.evse_id == 0 and report.status not in STATION_WORDS:
        alerts.raise_(
            ODD_STATUS,
            station_id=station.station_id,
            organization_id=station.organization_id,
            severity=Alert.Severity.INFO,
            detail=f"The station as a whole reports “{report.status}”, which only a connector can be.",
            at=report.stamp.received_at,
        )
    elif report.evse_id == 0:
        alerts.clear(ODD_STATUS, station_id=station.station_id, at=at)


def _observe(reports: Sequence[Report]) -> None:
    """Settle what commands are waiting for (P197)."""
    awaited = Command.objects.filter(
        station_id__in={station.station_id for station, _ in reports},
        command__in=effects.SEEN_BY_STATUS,
        effect="",
        effect_until__gte=clock.now(),
    )
    waiting = set(awaited.values_list("station_id", flat=True))
    for station, report in reports:
        if station.station_id in waiting:
            effects.status_reported(station.station_id, report.evse_id, report.status)


def _tell(station: StationSide) -> None:
    live.announce_on_commit(
        "station",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )


_UPDATE = """
UPDATE stations_connector c SET
    status_at = r.status_at, status = r.status, error_code = r.error_code, info = r.info,
    vendor_id = r.vendor_id, vendor_error_code = r.vendor_error_code
FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
     AS r(id, status_at, status, error_code, info, vendor_id, vendor_error_code)
WHERE c.id = r.id
"""
