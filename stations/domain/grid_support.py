"""Grid support by distributed energy resources, and swapping batteries (OCPP 2.1 blocks R and S)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stations.domain.events import Stamp

Json = Mapping[str, Any]

CURVES = frozenset(
    {
        "FreqWatt", "HFMustTrip", "HFMayTrip", "HVMustTrip", "HVMomCess", "HVMayTrip", "LFMustTrip", "LVMustTrip",
        "LVMomCess", "LVMayTrip", "PowerMonitoringMustTrip", "VoltVar", "VoltWatt", "WattPF", "WattVar",
    }
)  # fmt: skip
FIELD_OF: Mapping[str, str] = {
    **dict.fromkeys(sorted(CURVES), "curve"),
    "EnterService": "enterService",
    "FixedPFAbsorb": "fixedPFAbsorb",
    "FixedPFInject": "fixedPFInject",
    "FixedVar": "fixedVar",
    "FreqDroop": "freqDroop",
    "Gradients": "gradient",
    "LimitMaxDischarge": "limitMaxDischarge",
}
"""Which field of a control holds its settings, by its type (R01.FR.02)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A control as the station has it. ``settings`` are in the words of OCPP, with the priority in them."""

    control_id: str
    control_type: str
    settings: Json
    is_default: bool = False
    is_superseded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlsReported:
    """One part of the answer to GetDERControl."""

    request_id: int
    controls: tuple[Control, ...]
    to_be_continued: bool


class GridEventKind(StrEnum):
    ALARM = "alarm"
    ALARM_ENDED = "alarm_ended"
    STARTED = "started"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridEventReported:
    """NotifyDERAlarm or NotifyDERStartStop. ``subject`` is the control's type of an alarm, else its id."""

    kind: GridEventKind
    subject: str
    stamp: Stamp
    fault: str = ""
    info: str = ""
    superseded_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteriesSwapped:
    """BatterySwap: batteries were put in or taken out, or were not taken in time.

    ``batteries`` are as reported: EVSE, serial number, state of charge and of health in percent.
    """

    request_id: int
    kind: str
    token_value: str
    token_type: str
    batteries: tuple[Json, ...]
