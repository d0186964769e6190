"""Events that a station reports by NotifyEvent (2.0.1 N07): values that changed, and what needs a person."""

from collections.abc import Mapping, Sequence

from django.db.transaction import atomic

from stations.domain.events import ConnectorStatusReported, Stamp, StationEventReported, VariableReported
from stations.domain.station import StationSide
from stations.models import Alert
from stations.services import alerts, availability, device_model, provisioning

ALERTING = "Alerting"
PROBLEM = "Problem"
AVAILABILITY = "AvailabilityState"
LOUD = 3
ALERT = "station_event"
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
        for event in others:
            _judge(station, event)
        provisioning.measure_drift(station.station_id, generated.occurred_at, generated.received_at)


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


def _judge(station: StationSide, event: StationEventReported) -> None:
    subject = _subject(event)
    if event.cleared or _is_over(event):
        alerts.clear(ALERT, station_id=station.station_id, at=event.stamp.received_at, subject=subject)
    elif _needs_a_person(event):
        alerts.raise_(
            ALERT,
            station_id=station.station_id,
            organization_id=station.organization_id,
            severity=_severity(event),
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


def _severity(event: StationEventReported) -> Alert.Severity:
    if event.severity is None:
        return Alert.Severity.WARNING
    return SEVERITY.get(event.severity, Alert.Severity.INFO)


def _subject(event: StationEventReported) -> str:
    places = [str(number) for number in (event.evse_id, event.connector_id) if number is not None]
    named = [event.component, event.component_instance, event.variable, event.variable_instance]
    return " ".join([*(name for name in named if name), "/".join(places)]).strip()


def _sentence(event: StationEventReported) -> str:
    value = device_model.shown(_variable(event))
    told = [event.tech_code, event.tech_info]
    return " · ".join([f"{_subject(event)}: {value}", *(text for text in told if text)])
