"""The device model: reports in parts, variables read and written, values that wait for a restart.

Set-based: one statement stores a whole message. Who locks what: the report's row first, then the station's
where something is learned of it, then variables in the order of their names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Case, F, Value, When
from django.db.transaction import atomic

from core.ids import uuid7
from stations import live
from stations.domain.events import ReportPartReceived, VariableReported
from stations.domain.monitoring import PartReceived
from stations.domain.secrecy import MASK, is_secret
from stations.domain.station import StationSide
from stations.models import Report, Variable, VariableValue
from stations.services import answering, learning, plugs, reports

MAX_VARIABLES = 20_000
WRITE_ONLY = "WriteOnly"
DEVICE_DATA, MONITORING = "DeviceDataCtrlr", "MonitoringCtrlr"
OF_MONITORING = frozenset({"SetVariableMonitoring", "ClearVariableMonitoring"})
DEFAULT_ITEMS = 50
DEFAULT_BYTES = 32_768


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one message to a station may hold (2.0.1 DeviceDataCtrlr)."""

    items: int = DEFAULT_ITEMS
    bytes: int = DEFAULT_BYTES


class Written(StrEnum):
    """How the station took a new value."""

    NOW = "now"
    AFTER_RESTART = "after_restart"


def store_part(station: StationSide, part: ReportPartReceived, received_at: datetime) -> Report:
    """Merge one part, whoever asked for it (P210, P211); a part that came before changes nothing twice."""
    arrived = PartReceived(
        request_id=part.request_id,
        seq_no=part.seq_no,
        to_be_continued=part.to_be_continued,
        generated_at=part.generated_at,
    )
    with atomic():
        reports.lock(station.station_id, Report.About.VARIABLES, part.request_id)
        store(station, part.variables, received_at)
        return reports.take_part(station, Report.About.VARIABLES, arrived, len(part.variables), received_at)


def store(
    station: StationSide,
    variables: Sequence[VariableReported],
    received_at: datetime,
    *,
    as_set: bool = False,
) -> int:
    """Keep values and when they changed; what is left out of a known variable stays. Secrets are masked.

    ``as_set``: not told by the station, but taken by it from us.
    """
    rows = _known_or_room(station.station_id, variables)
    if not rows:
        return 0
    by = answering.issuer() if as_set else ""
    values: dict[str, Any] = {
        "station": station.station_id,
        "now": received_at,
        "by": by[:200],
        **_columns(rows),
    }
    with atomic():
        learning.hold(station.station_id, rows)
        with connection.cursor() as cursor:
            cursor.execute(_UPSERT, {**values, "source": "set" if as_set else "reported"})
        learning.from_variables(station.station_id, rows, received_at)
        plugs.from_variables(station.station_id, rows)
        _tell(station)
    return len(rows)


def write(
    station: StationSide, written: Sequence[tuple[VariableReported, Written]], received_at: datetime
) -> None:
    """Values that the station took: at once, or as pending until its next boot (P216)."""
    with atomic():
        store(station, [item for item, how in written if how is Written.NOW], received_at, as_set=True)
        waiting = [item for item, how in written if how is Written.AFTER_RESTART]
        for item in waiting:
            _set_pending(station.station_id, item, received_at)
        _tell(station)


def apply_pending(station_id: UUID, at: datetime) -> int:
    """The station restarted: values that waited for it are in force."""
    pending = Variable.objects.filter(station_id=station_id).exclude(pending_value="")
    VariableValue.objects.bulk_create(
        VariableValue(
            variable=row, value=row.pending_value, source=VariableValue.Source.SET, by=row.pending_by, at=at
        )
        for row in pending.exclude(mutability=WRITE_ONLY)
    )
    return pending.update(
        value=Case(When(mutability=WRITE_ONLY, then=F("value")), default=F("pending_value")),
        pending_value=Value(""),
        pending_by=Value(""),
        changed_at=at,
    )


def limits_of(station_id: UUID, message: str) -> Limits:
    """What the station said of the size of ``GetVariables``, ``SetVariables``, ``SetVariableMonitoring``, ..."""
    rows = Variable.objects.filter(
        station_id=station_id,
        component__iexact=MONITORING if message in OF_MONITORING else DEVICE_DATA,
        variable__in=["ItemsPerMessage", "BytesPerMessage"],
        attribute="Actual",
        variable_instance__in=["", message],
    ).order_by("variable_instance")
    told = {
        row.variable: int(row.value)
        for row in rows
        if row.value and row.value.isascii() and row.value.isdigit()
    }
    return Limits(
        items=max(1, told.get("ItemsPerMessage", DEFAULT_ITEMS)),
        bytes=max(256, told.get("BytesPerMessage", DEFAULT_BYTES)),
    )


def _tell(station: StationSide) -> None:
    live.announce_on_commit(
        "station",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )


Name = tuple[str, str, int, int, str, str, str]


def _name(item: VariableReported) -> Name:
    return (
        item.component[:50],
        item.component_instance[:50],
        -1 if item.evse_id is None else item.evse_id,
        -1 if item.connector_id is None else item.connector_id,
        item.variable[:50],
        item.variable_instance[:50],
        item.attribute[:10],
    )


def _known_or_room(station_id: UUID, variables: Iterable[VariableReported]) -> list[VariableReported]:
    """Each variable once, the last one said, in the order of locking; none new beyond the station's limit."""
    by_name = {_name(item): item for item in variables}
    rows = [by_name[name] for name in sorted(by_name)]
    known = Variable.objects.filter(station_id=station_id)
    if not rows or known.count() + len(rows) <= MAX_VARIABLES:
        return rows
    names = {row.component for row in rows}
    present = {
        (v.component, v.component_instance, -1 if v.evse_id is None else v.evse_id,
         -1 if v.connector_id is None else v.connector_id, v.variable, v.variable_instance, v.attribute)
        for v in known.filter(component__in=names)
    }  # fmt: skip
    return [row for row in rows if _name(row) in present]


def _columns(rows: Sequence[VariableReported]) -> Mapping[str, list[object]]:
    return {
        "ids": [uuid7() for _ in rows],
        "components": [row.component[:50] for row in rows],
        "component_instances": [row.component_instance[:50] for row in rows],
        "evses": [row.evse_id for row in rows],
        "connectors": [row.connector_id for row in rows],
        "variables": [row.variable[:50] for row in rows],
        "variable_instances": [row.variable_instance[:50] for row in rows],
        "attributes": [row.attribute[:10] for row in rows],
        "values": [shown(row) for row in rows],
        "mutabilities": [row.mutability[:10] for row in rows],
        "data_types": [row.data_type[:20] for row in rows],
        "units": [row.unit[:16] for row in rows],
        "constants": [row.constant for row in rows],
        "least": [row.min_limit for row in rows],
        "most": [row.max_limit for row in rows],
        "choices": [row.values_list[:1000] for row in rows],
    }


def shown(item: VariableReported) -> str | None:
    """The value as it may be kept: never that of a secret."""
    if item.value is None or item.mutability == WRITE_ONLY:
        return None
    secret = is_secret(item.variable) or is_secret(item.variable_instance)
    return MASK if secret and item.value else item.value[:2500]


def _set_pending(station_id: UUID, item: VariableReported, at: datetime) -> None:
    waiting = {"pending_value": shown(item) or "", "pending_by": answering.issuer()[:200]}
    Variable.objects.update_or_create(
        station_id=station_id,
        component=item.component[:50],
        component_instance=item.component_instance[:50],
        evse_id=item.evse_id,
        connector_id=item.connector_id,
        variable=item.variable[:50],
        variable_instance=item.variable_instance[:50],
        attribute=item.attribute,
        defaults=waiting,
        create_defaults={**waiting, "changed_at": at, "reported_at": at},
    )


_UPSERT = """
WITH told AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(components)s::text[], %(component_instances)s::text[],
            %(evses)s::int[], %(connectors)s::int[], %(variables)s::text[], %(variable_instances)s::text[],
            %(attributes)s::text[], %(values)s::text[], %(mutabilities)s::text[], %(data_types)s::text[],
            %(units)s::text[], %(constants)s::bool[], %(least)s::numeric[], %(most)s::numeric[],
            %(choices)s::text[])
     AS r(id, component, component_instance, evse_id, connector_id, variable, variable_instance, attribute,
          value, mutability, data_type, unit, constant, min_limit, max_limit, values_list)
), before AS (
    SELECT v.id, v.value FROM stations_variable v
    WHERE v.station_id = %(station)s AND v.component = ANY(%(components)s::text[])
), stored AS (
    INSERT INTO stations_variable AS v (
        id, station_id, component, component_instance, evse_id, connector_id, variable, variable_instance,
        attribute, value, mutability, data_type, unit, constant, min_limit, max_limit, values_list,
        pending_value, pending_by, changed_at, reported_at)
    SELECT r.id, %(station)s, r.component, r.component_instance, r.evse_id, r.connector_id, r.variable,
           r.variable_instance, r.attribute, r.value, r.mutability, r.data_type, r.unit, r.constant,
           r.min_limit, r.max_limit, r.values_list, '', '', %(now)s, %(now)s
    FROM told r
    ON CONFLICT (station_id, component, component_instance, evse_id, connector_id, variable,
                 variable_instance, attribute)
    DO UPDATE SET
        value = CASE WHEN v.mutability = 'WriteOnly' THEN v.value ELSE excluded.value END,
        mutability = CASE WHEN excluded.mutability = '' THEN v.mutability ELSE excluded.mutability END,
        data_type = CASE WHEN excluded.data_type = '' THEN v.data_type ELSE excluded.data_type END,
        unit = CASE WHEN excluded.unit = '' THEN v.unit ELSE excluded.unit END,
        constant = v.constant OR excluded.constant,
        min_limit = coalesce(excluded.min_limit, v.min_limit),
        max_limit = coalesce(excluded.max_limit, v.max_limit),
        values_list = CASE WHEN excluded.values_list = '' THEN v.values_list ELSE excluded.values_list END,
        pending_value = CASE WHEN v.pending_value = excluded.value THEN '' ELSE v.pending_value END,
        changed_at = CASE WHEN v.value IS DISTINCT FROM excluded.value
                          THEN excluded.changed_at ELSE v.changed_at END,
        reported_at = excluded.reported_at
    RETURNING v.id, v.value
)
INSERT INTO stations_variablevalue (variable_id, value, source, "by", at)
SELECT stored.id, stored.value, %(source)s, %(by)s, %(now)s
FROM stored LEFT JOIN before ON before.id = stored.id
WHERE stored.value IS NOT NULL AND before.value IS DISTINCT FROM stored.value
"""
