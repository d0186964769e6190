"""What stations report, in past tense. Plain values; units are in the names; two clocks kept apart.

``occurred_at`` is the station's time made usable (P109, P110), ``received_at`` is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When something happened: the station's time, ours, and what had to be done to the first."""

    occurred_at: datetime
    received_at: datetime
    as_sent: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StationBooted:
    """BootNotification (2.0.1 B01, 1.6 section 4.2)."""

    vendor: str
    model: str
    serial_number: str = ""
    firmware_version: str = ""
    iccid: str = ""
    imsi: str = ""
    meter_type: str = ""
    meter_serial_number: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShown:
    """A driver's token as it came: 2.x idToken, or a 1.6 idTag with ``type`` empty."""

    value: str
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorStatusReported:
    """StatusNotification, or AvailabilityState by NotifyEvent. ``evse_id`` 0 is the station itself.

    ``connector_id`` is the connector within its EVSE. ``status`` is the station's own word.
    """

    evse_id: int
    connector_id: int
    status: str
    stamp: Stamp
    error_code: str = ""
    info: str = ""
    vendor_id: str = ""
    vendor_error_code: str = ""
    flags: tuple[str, ...] = ()


class MeterSample(NamedTuple):
    """One meter value of one instant: typed columns for what is plotted and billed, the rest verbatim.

    Units: Wh, W, A, V, percent, degrees Celsius. ``None`` means not reported, never zero.
    """

    occurred_at: datetime
    samples: Sequence[Json]
    context: str = "Sample.Periodic"
    energy_wh: Decimal | None = None
    power_w: Decimal | None = None
    current_l1_a: Decimal | None = None
    current_l2_a: Decimal | None = None
    current_l3_a: Decimal | None = None
    voltage_l1_v: Decimal | None = None
    voltage_l2_v: Decimal | None = None
    voltage_l3_v: Decimal | None = None
    soc_percent: Decimal | None = None
    temperature_c: Decimal | None = None
    offered_power_w: Decimal | None = None
    offered_current_a: Decimal | None = None
    flags: tuple[str, ...] = ()

    @property
    def figures(self) -> tuple[Decimal | None, ...]:
        """From ``energy_wh`` to ``offered_current_a``, in the order of the fields."""
        return self[3:15]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingsReported:
    """MeterValues (1.6 section 4.7, 2.0.1 J01). ``reference`` names the transaction, empty for none."""

    evse_id: int
    samples: tuple[MeterSample, ...]
    received_at: datetime
    reference: str = ""
    connector_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStarted:
    """A 1.6 StartTransaction (section 4.8). The number that names it is ours to give."""

    evse_id: int
    connector_id: int
    token: TokenShown
    meter_start_wh: Decimal
    stamp: Stamp
    reservation_id: int | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStopped:
    """A 1.6 StopTransaction (section 4.10) for the number that we once gave."""

    number: int
    meter_stop_wh: Decimal
    stamp: Stamp
    token: TokenShown | None = None
    reason: str = "Local"
    samples: tuple[MeterSample, ...] = ()
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StationCostTold:
    """The total that a station computed by itself (2.1 ``costDetails``), or that it could not, and why."""

    currency: str
    excl_vat: Decimal | None = None
    incl_vat: Decimal | None = None
    failed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionEventReported:
    """A 2.x TransactionEvent (E01-E06): started, updated or ended, in any order of arrival."""

    kind: str
    reference: str
    seq_no: int
    trigger_reason: str
    stamp: Stamp
    offline: bool = False
    evse_id: int | None = None
    connector_id: int | None = None
    token: TokenShown | None = None
    charging_state: str = ""
    stopped_reason: str = ""
    remote_start_id: int | None = None
    reservation_id: int | None = None
    time_spent_charging_s: int | None = None
    cable_max_current_a: Decimal | None = None
    samples: tuple[MeterSample, ...] = ()
    cost: StationCostTold | None = None
    repairs: tuple[str, ...] = ()
    content: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableReported:
    """One variable attribute of the device model (2.0.1 B07), or a 1.6 configuration key."""

    component: str
    variable: str
    value: str | None
    component_instance: str = ""
    variable_instance: str = ""
    evse_id: int | None = None
    connector_id: int | None = None
    attribute: str = "Actual"
    mutability: str = ""
    data_type: str = ""
    unit: str = ""
    constant: bool = False
    min_limit: Decimal | None = None
    max_limit: Decimal | None = None
    values_list: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPartReceived:
    """One part of a report (2.0.1 B07/B08)."""

    request_id: int
    seq_no: int
    to_be_continued: bool
    generated_at: datetime
    variables: tuple[VariableReported, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEventReported:
    """SecurityEventNotification (A04)."""

    type: str
    stamp: Stamp
    tech_info: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEventReported:
    """One entry of NotifyEvent (2.0.1 N07): an event, an alert or a changed variable."""

    event_id: int
    trigger: str
    component: str
    variable: str
    actual_value: str
    stamp: Stamp
    component_instance: str = ""
    variable_instance: str = ""
    evse_id: int | None = None
    connector_id: int | None = None
    cleared: bool = False
    severity: int | None = None
    tech_code: str = ""
    tech_info: str = ""
    transaction: str = ""
    monitor_number: int | None = None
    kind: str = ""
    cause: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLogged:
    """One raw frame, already masked (ocpp.md section 5). ``direction`` is ``in`` or ``out``."""

    at: datetime
    direction: str
    type: int | None
    message_id: str
    action: str
    size_bytes: int
    verdict: str
    text: str
    latency_us: int | None = None
    sha256: bytes | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeRefused:
    """An upgrade that was answered with an HTTP error, and how far it had got."""

    identity: str
    address: str
    status: int
    reason: str
    detail: str
    at: datetime
    station_id: UUID | None = None
    offered_protocols: str = ""
