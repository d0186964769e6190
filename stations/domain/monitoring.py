"""Monitors, their reports, customers' data and streams, in past tense (2.0.1 block N, 2.1 streams)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorReported:
    """A monitor as the station has it: told in a report, or set at our wish."""

    number: int
    component: str
    variable: str
    component_instance: str = ""
    variable_instance: str = ""
    evse_id: int | None = None
    connector_id: int | None = None
    type: str = ""
    value: Decimal | None = None
    severity: int | None = None
    transaction_only: bool = False
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReceived:
    """One part of any report: which request it belongs to, and whether more follow."""

    request_id: int
    seq_no: int
    to_be_continued: bool
    generated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened:
    """OpenPeriodicEventStream, or an entry of the list of open ones."""

    number: int
    monitor_number: int
    interval_s: int | None = None
    values: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReceived:
    """NotifyPeriodicEventStream: values at the station's times."""

    number: int
    pending: int
    values: tuple[tuple[datetime, str], ...]
