"""Events that a station reports by NotifyEvent (2.0.1 N07): values that changed, and what needs a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b

from django.db import connection
from django.db.transaction import atomic

from stations.domain.events import ConnectorStatusReported, Stamp, StationEventReported, VariableReported
from stations.domain.monitoring import MonitorReported
from stations.domain.station import StationSide
from stations.models import Alert, CustomerData, Monitor, StationEvent, StreamValue
from stations.services import alerts, availability, device_model, monitors, provisioning

ALERTING = "Alerting"
PROBLEM = "Problem"
AVAILABILITY = "AvailabilityState"
LOUD = 3
ALERT = monitors.ALERT
KEEP_EVENTS = timedelta(days=90)
KEEP_STREAMS = timedelta(days=30)
KEEP_CUSTOMERS = timedelta(days=30)
KEEP_VALUES = 500
SEVERITY: Mapping[int, Alert.Severity] = {
    **dict.fromkeys(range(4), Alert.Severity.CRITICAL),
    **dict.fromkeys(range(4, 6), Alert.Severity.WARNING),
    **dict.fromkeys(range(6, 10), Alert.Severity.INFO),
}
"""2.x counts from 0 (danger) to 9 (debug)."""


def store(
    station: StationSide,
    states: Sequence[ConnectorStatusReported],
    events: Sequence[StationEventReported],
    *,
    generated: Stamp,
) -> None:
    """Keep one NotifyEvent: states of connectors as by StatusNotification (P196), values, alerts."""
    with atomic():
        wholes = [_state_of_whole(event) for event in events if _is_state_of_whole(event)]
        availability.store([(station, state) for state in (*states, *wholes)])
        others = [event for event in events if not _is_state_of_whole(event)]
        device_model.store(station, [_variable(event) for event in others], generated.received_at)
        for event in sorted(others, key=lambda event: event.stamp.occurred_at):
            monitor = _monitor_of(station, event)
            if _store_event(station, event, monitor):
                _judge(station, event, monitor)
        provisioning.measure_drift(station.station_id, generated.occurred_at, generated.received_at)


def forget_old(now: datetime) -> int:
    """Drop what is past its time: events, values of streams and variables, what was told of customers."""
    gone = StationEvent.objects.filter(received_at__lt=now - KEEP_EVENTS).delete()[0]
    gone += StreamValue.objects.filter(occurred_at__lt=now - KEEP_STREAMS).delete()[0]
    gone += CustomerData.objects.filter(received_at__lt=now - KEEP_CUSTOMERS).delete()[0]
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_VALUES, [KEEP_VALUES])
        return gone + int(cursor.rowcount)


def _is_state_of_whole(event: StationEventReported) -> bool:
    return event.variable == AVAILABILITY and event.component in ("ChargingStation", "EVSE")


def _state_of_whole(event: StationEventReported) -> ConnectorStatusReported:
    return ConnectorStatusReported(
        evse_id=(event.evse_id or 0) if event.component == "EVSE" else 0,
        connector_id=0,
        status=event.actual_value[:40],
        stamp=event.stamp,
        error_code=event.tech_code,
        info=event.tech_info[:255],
    )


def _variable(event: StationEventReported) -> VariableReported:
    return VariableReported(
        component=event.component,
        component_instance=event.component_instance,
        evse_id=event.evse_id,
        connector_id=event.connector_id,
        variable=event.variable,
        variable_instance=event.variable_instance,
        value=event.actual_value,
    )


def _monitor_of(station: StationSide, event: StationEventReported) -> Monitor | None:
    if event.monitor_number is None:
        return None
    told = MonitorReported(
        number=event.monitor_number,
        component=event.component,
        component_instance=event.component_instance,
        variable=event.variable,
        variable_instance=event.variable_instance,
        evse_id=event.evse_id,
        connector_id=event.connector_id,
        severity=event.severity,
        kind=event.kind,
    )
    return monitors.find_or_make(station.station_id, told)


def _store_event(station: StationSide, event: StationEventReported, monitor: Monitor | None) -> bool:
    """Whether the event is new; a repeated one neither counts nor alerts again."""
    row = StationEvent(
        station_id=station.station_id,
        monitor=monitor,
        event_id=event.event_id,
        digest=_digest(event),
        trigger=event.trigger,
        kind=event.kind[:30],
        component=event.component,
        component_instance=event.component_instance,
        evse_id=event.evse_id,
        connector_id=event.connector_id,
        variable=event.variable,
        variable_instance=event.variable_instance,
        value=device_model.shown(_variable(event)) or "",
        cleared=event.cleared,
        severity=event.severity,
        cause=event.cause,
        tech_code=event.tech_code,
        tech_info=event.tech_info,
        transaction=event.transaction,
        occurred_at=event.stamp.occurred_at,
        received_at=event.stamp.received_at,
    )
    if StationEvent.objects.filter(station_id=station.station_id, digest=row.digest).exists():
        return False
    row.save(force_insert=True)
    if monitor is not None:
        _note_event(monitor, row)
    return True


def _digest(event: StationEventReported) -> bytes:
    """What makes an event itself: a repetition has the same (the time of receipt left out)."""
    content = (event.event_id, event.stamp.occurred_at, event.trigger, event.actual_value, event.cleared,
               event.component, event.component_instance, event.evse_id, event.connector_id, event.variable,
               event.variable_instance, event.monitor_number)  # fmt: skip
    return blake2b(repr(content).encode(), digest_size=16).digest()


def _note_event(monitor: Monitor, row: StationEvent) -> None:
    """The monitor's newest event, and whether it alerts; what came late changes neither."""
    if monitor.last_event_at is not None and monitor.last_event_at > row.occurred_at:
        return
    monitor.last_event_at, monitor.last_value = row.occurred_at, row.value
    monitor.alerting = row.trigger == ALERTING and not row.cleared
    monitor.save(update_fields=["last_event_at", "last_value", "alerting"])


def _judge(station: StationSide, event: StationEventReported, monitor: Monitor | None) -> None:
    subject = monitors.subject_of(event, event.monitor_number)
    if event.cleared or _is_over(event):
        alerts.clear(ALERT, station_id=station.station_id, at=event.stamp.received_at, subject=subject)
    elif _needs_a_person(event):
        alerts.raise_(
            ALERT,
            station_id=station.station_id,
            organization_id=station.organization_id,
            severity=_severity(event, monitor),
            detail=_sentence(event),
            at=event.stamp.occurred_at,
            subject=subject,
        )


def _is_over(event: StationEventReported) -> bool:
    return event.variable == PROBLEM and event.actual_value.lower() == "false"


def _needs_a_person(event: StationEventReported) -> bool:
    if event.trigger == ALERTING or (event.severity is not None and event.severity <= LOUD):
        return True
    return event.variable == PROBLEM and event.actual_value.lower() == "true"


def _severity(event: StationEventReported, monitor: Monitor | None) -> Alert.Severity:
    """2.0.1 events carry no severity; their monitor does."""
    of_monitor = monitor.severity if monitor else None
    told = of_monitor if event.severity is None else event.severity
    return Alert.Severity.WARNING if told is None else SEVERITY.get(told, Alert.Severity.INFO)


def _sentence(event: StationEventReported) -> str:
    value = device_model.shown(_variable(event))
    told = [event.tech_code, event.tech_info]
    return " · ".join([f"{monitors.subject_of(event, None)}: {value}", *(text for text in told if text)])


_FORGET_VALUES = """
DELETE FROM stations_variablevalue WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY variable_id ORDER BY id DESC) AS place
        FROM stations_variablevalue
    ) AS numbered WHERE place > %s LIMIT 100000)
"""
