"""Controls for the grid: what was set, what stations report of it, in whatever order (OCPP 2.1 block R)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.db.transaction import atomic

from core import clock
from core.access import Actor
from core.errors import Invalid
from core.ids import uuid7
from stations import live
from stations.domain.grid_support import FIELD_OF, Control, ControlsReported, GridEventKind, GridEventReported
from stations.domain.intents.grid_support import ClearDerControl, GetDerControl, SetDerControl
from stations.domain.station import StationSide
from stations.models import Alert, ChargingStation, Command, DerControl, GridEvent
from stations.services import alerts, effects

ALARM = "grid_alarm"
CONTROLS_MAX = 500


def prepare(station: ChargingStation, intent: SetDerControl, by: Actor) -> SetDerControl:
    """Give the control an id. Raises :class:`Invalid` for a type that OCPP does not list."""
    if intent.control_type not in FIELD_OF:
        raise Invalid(
            f"“{intent.control_type}” is none of {', '.join(sorted(FIELD_OF))}.", field="control_type"
        )
    return replace(intent, control_id=intent.control_id or str(uuid7()))


def prepare_clearing(station: ChargingStation, intent: ClearDerControl, by: Actor) -> ClearDerControl:
    """Raises :class:`Invalid` where both an id and a type are named."""
    if intent.control_id and intent.control_type:
        raise Invalid("Name the control by its id or by its type, not by both.", field="control_type")
    return intent


def installed(
    station: StationSide, control: Control, superseded_ids: Sequence[str], received_at: datetime
) -> None:
    """The station took a control; those that it replaces stay, but do nothing."""
    with atomic():
        _keep(station, [control], received_at)
        _supersede(station, superseded_ids)
        _tell(station)


def cleared(
    station: StationSide, *, control_id: str, control_type: str, is_default: bool, at: datetime
) -> None:
    """The station dropped the control of that id, or those of the type, default or not."""
    rows = DerControl.objects.filter(station_id=station.station_id, cleared_at=None)
    if control_id:
        rows = rows.filter(control_id=control_id)
    else:
        rows = rows.filter(is_default=is_default)
        rows = rows.filter(control_type=control_type) if control_type else rows
    with atomic():
        rows.update(cleared_at=at, running=None)
        _tell(station)


def reading_settled(command: Command) -> None:
    """“NotFound” says that the station has no control of the kind asked for."""
    if (command.response or {}).get("status") != "NotFound":
        return
    station = command.station
    with atomic():
        _clear_untold(station.pk, int(command.parameters["request_id"]))
        live.announce_on_commit(
            "station", station.organization_id, station.pk, site_id=station.site_id, station_id=station.pk
        )


def report(station: StationSide, part: ControlsReported, received_at: datetime) -> None:
    """Merge one part of a report, whoever asked; what the last part leaves untold is gone from the station."""
    with atomic():
        _keep(station, part.controls, received_at)
        if not part.to_be_continued:
            _clear_untold(station.station_id, part.request_id)
            effects.controls_reported(station.station_id, part.request_id)
        _tell(station)


def note(station: StationSide, event: GridEventReported) -> None:
    """Keep an alarm or the start or stop of a control; a repeat changes nothing."""
    with atomic():
        _, is_new = GridEvent.objects.get_or_create(
            station_id=station.station_id,
            kind=event.kind.value,
            subject=event.subject[:36],
            fault=event.fault[:30],
            occurred_at=event.stamp.occurred_at,
            defaults={"info": event.info[:200], "received_at": event.stamp.received_at},
        )
        if not is_new:
            return
        if event.kind in (GridEventKind.ALARM, GridEventKind.ALARM_ENDED):
            _settle_alarm(station, event)
        else:
            _settle_running(station, event)
        _tell(station)


def _settle_alarm(station: StationSide, event: GridEventReported) -> None:
    """The alarm stands as its latest report says, in whatever order they came."""
    told = GridEvent.objects.filter(
        Q(kind=GridEventKind.ALARM.value) | Q(kind=GridEventKind.ALARM_ENDED.value),
        station_id=station.station_id,
        subject=event.subject[:36],
    )
    latest = told.order_by("-occurred_at", "-kind").first()
    subject = event.subject[:36]
    if latest is None or latest.kind == GridEventKind.ALARM_ENDED:
        alerts.clear(ALARM, station_id=station.station_id, subject=subject, at=event.stamp.received_at)
        return
    alerts.raise_(
        ALARM,
        station_id=station.station_id,
        organization_id=station.organization_id,
        severity=Alert.Severity.WARNING,
        subject=subject,
        detail=f"{subject}: {latest.fault or 'grid event'}" + (f" ({latest.info})" if latest.info else ""),
        at=latest.received_at,
    )


def _settle_running(station: StationSide, event: GridEventReported) -> None:
    at, started = event.stamp.occurred_at, event.kind is GridEventKind.STARTED
    rows = DerControl.objects.filter(station_id=station.station_id, control_id=event.subject[:36])
    if not rows.exists():
        _keep(
            station,
            [Control(control_id=event.subject, control_type="", settings={})],
            event.stamp.received_at,
        )
    rows.filter(Q(running_at=None) | Q(running_at__lt=at)).update(running=started, running_at=at)
    _supersede(station, event.superseded_ids)


def _keep(station: StationSide, controls: Sequence[Control], received_at: datetime) -> None:
    known = DerControl.objects.filter(station_id=station.station_id)
    room = CONTROLS_MAX - known.count()
    ids = set(known.values_list("control_id", flat=True)) if room < len(controls) else set()
    rows = [
        DerControl(
            station_id=station.station_id,
            control_id=control.control_id[:36],
            control_type=control.control_type[:30],
            settings=dict(control.settings),
            is_default=control.is_default,
            is_superseded=control.is_superseded,
            told_at=received_at,
        )
        for control in {control.control_id[:36]: control for control in controls}.values()
        if room >= len(controls) or control.control_id[:36] in ids
    ]
    DerControl.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["station", "control_id"],
        update_fields=["control_type", "settings", "is_default", "is_superseded", "told_at", "cleared_at"],
    )


def _clear_untold(station_id: UUID, request_id: int) -> None:
    """Controls that the request covers and that nothing told of since it was sent."""
    asked = Command.objects.filter(
        station_id=station_id, command=GetDerControl.name, parameters__request_id=request_id
    ).first()
    if asked is None or asked.sent_at is None:
        return
    rows = DerControl.objects.filter(station_id=station_id, cleared_at=None, told_at__lt=asked.sent_at)
    for name in ("control_id", "control_type"):
        rows = rows.filter(**{name: asked.parameters[name]}) if asked.parameters.get(name) else rows
    default = asked.parameters.get("is_default")
    if default is not None:  # of a control without type only a start was told, not whether it holds always
        rows = rows.filter(is_default=default).exclude(control_type="")
    rows.update(cleared_at=clock.now(), running=None)


def _supersede(station: StationSide, control_ids: Sequence[str]) -> None:
    rows = DerControl.objects.filter(station_id=station.station_id, control_id__in=control_ids)
    rows.update(is_superseded=True)


def _tell(station: StationSide) -> None:
    station_id: UUID = station.station_id
    live.announce_on_commit(
        "station", station.organization_id, station_id, site_id=station.site_id, station_id=station_id
    )
