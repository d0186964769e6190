"""Messages on the displays of stations (OCPP 2.0.1 block O)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DisplayStatus(StrEnum):
    REQUESTED = "requested"
    INSTALLED = "installed"
    REFUSED = "refused"
    FAILED = "failed"
    CLEARED = "cleared"


NEXT: Mapping[DisplayStatus, frozenset[DisplayStatus]] = {
    DisplayStatus.REQUESTED: frozenset(
        {DisplayStatus.INSTALLED, DisplayStatus.REFUSED, DisplayStatus.FAILED, DisplayStatus.CLEARED}
    ),
    DisplayStatus.INSTALLED: frozenset({DisplayStatus.CLEARED}),
    DisplayStatus.REFUSED: frozenset({DisplayStatus.INSTALLED}),
    DisplayStatus.FAILED: frozenset({DisplayStatus.INSTALLED, DisplayStatus.CLEARED}),
    DisplayStatus.CLEARED: frozenset({DisplayStatus.INSTALLED}),
}
"""What a report of the station shows is there, whatever was answered before."""

PRIORITIES = ("always_front", "in_front", "normal_cycle")
STATES = ("charging", "faulted", "idle", "unavailable", "suspended", "discharging")
FORMATS = ("ascii", "html", "uri", "utf8", "qrcode")


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayText:
    """One wording of a message; ``language`` is an IETF tag or empty."""

    text: str
    language: str = ""
    format: str = "utf8"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayContent:
    """What a station shows, when and where. Without times and state it is shown always."""

    number: int
    priority: str
    texts: tuple[DisplayText, ...]
    state: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    transaction_reference: str = ""
    component: str = ""
    component_instance: str = ""
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplaysReported:
    """One part of the answer to GetDisplayMessages."""

    request_id: int
    messages: tuple[DisplayContent, ...]
    to_be_continued: bool
