"""Watching variables, asking about customers, streams of values (2.0.1 block N, 2.1 streams)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from stations.domain.intents.base import Intent
from stations.domain.intents.device_model import VariableItem
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorItem:
    """A monitor to set. ``type`` is the 2.x word in snake case; ``number`` replaces one that exists.

    ``value`` is the threshold, the change, or the interval in seconds; ``stream_interval_s`` and
    ``stream_values`` ask for a stream of its values (2.1).
    """

    component: str
    variable: str
    type: str
    value: Decimal
    severity: int
    component_instance: str = ""
    instance: str = ""
    evse_id: int | None = None
    connector_id: int | None = None
    transaction: bool = False
    number: int | None = None
    stream_interval_s: int | None = None
    stream_values: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariableMonitoring(Intent):
    """SetVariableMonitoring (2.0.1 N04)."""

    name: ClassVar[str] = "set_variable_monitoring"
    permission: ClassVar[str] = "variables.edit"
    needs: ClassVar[Capability | None] = Capability.MONITORING

    items: tuple[MonitorItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearVariableMonitoring(Intent):
    """ClearVariableMonitoring (2.0.1 N06), by the numbers that the station gave."""

    name: ClassVar[str] = "clear_variable_monitoring"
    permission: ClassVar[str] = "variables.edit"
    needs: ClassVar[Capability | None] = Capability.MONITORING

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetMonitoringReport(Intent):
    """GetMonitoringReport (2.0.1 N02): by kind (``threshold``, ``delta``, ``periodic``), by variable, both, or all.

    Services give the ``request_id``.
    """

    name: ClassVar[str] = "get_monitoring_report"
    permission: ClassVar[str] = "commands.station"
    effect_window_s: ClassVar[int | None] = 300
    needs: ClassVar[Capability | None] = Capability.MONITORING
    safe_to_repeat: ClassVar[bool] = True

    criteria: tuple[str, ...] = ()
    items: tuple[VariableItem, ...] = ()
    request_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMonitoringBase(Intent):
    """SetMonitoringBase (2.0.1 N03): ``all``, ``factory_default`` or ``hard_wired_only``."""

    name: ClassVar[str] = "set_monitoring_base"
    permission: ClassVar[str] = "variables.edit"
    needs: ClassVar[Capability | None] = Capability.MONITORING

    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMonitoringLevel(Intent):
    """SetMonitoringLevel (2.0.1 N05): events up to this severity are told, 0 (danger) to 9 (debug)."""

    name: ClassVar[str] = "set_monitoring_level"
    permission: ClassVar[str] = "variables.edit"
    needs: ClassVar[Capability | None] = Capability.MONITORING

    severity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerInformation(Intent):
    """CustomerInformation (2.0.1 N09, N10) about one customer: by token, by identifier, or by certificate.

    ``report`` asks for what is stored, ``clear`` has it removed. Services give the ``request_id``.
    """

    name: ClassVar[str] = "customer_information"
    permission: ClassVar[str] = "drivers.manage"
    effect_window_s: ClassVar[int | None] = 300
    needs: ClassVar[Capability | None] = Capability.CUSTOMER_INFORMATION

    report: bool
    clear: bool
    token_value: str | None = None
    token_type: str | None = None
    customer_identifier: str | None = None
    certificate: Mapping[str, Any] | None = None
    request_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustEventStream(Intent):
    """AdjustPeriodicEventStream (2.1): how often an open stream is sent, and how full."""

    name: ClassVar[str] = "adjust_periodic_event_stream"
    permission: ClassVar[str] = "variables.edit"
    needs: ClassVar[Capability | None] = Capability.EVENT_STREAMS

    stream: int
    interval_s: int | None = None
    values: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetEventStreams(Intent):
    """GetPeriodicEventStream (2.1): which streams the station holds open."""

    name: ClassVar[str] = "get_periodic_event_stream"
    permission: ClassVar[str] = "commands.station"
    needs: ClassVar[Capability | None] = Capability.EVENT_STREAMS
    safe_to_repeat: ClassVar[bool] = True
