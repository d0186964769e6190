"""What a station can do and where that was learned, in words."""

from dataclasses import dataclass
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy

from portal.dashboard.words import Word
from stations.domain.capabilities import Judged, Source, judged
from stations.domain.words import Capability
from stations.models import ChargingStation

NAMES = {
    Capability.RESET_EVSE: gettext_lazy("Restart one EVSE"),
    Capability.DEVICE_MODEL: gettext_lazy("Device model"),
    Capability.MONITORING: gettext_lazy("Monitoring"),
    Capability.SMART_CHARGING: gettext_lazy("Smart charging"),
    Capability.RESERVATION: gettext_lazy("Reservation"),
    Capability.LOCAL_LIST: gettext_lazy("Local list"),
    Capability.FIRMWARE: gettext_lazy("Firmware update"),
    Capability.DISPLAY: gettext_lazy("Display texts"),
    Capability.TRANSACTION_STATUS: gettext_lazy("Status of a session on request"),
    Capability.CUSTOMER_INFORMATION: gettext_lazy("Data of a customer"),
    Capability.NETWORK_PROFILE: gettext_lazy("Network profiles"),
    Capability.EVENT_STREAMS: gettext_lazy("Event streams"),
    Capability.RESUME: gettext_lazy("Resume after a restart"),
    Capability.AUTHORIZATION_CACHE: gettext_lazy("Authorization cache"),
    Capability.TARIFF: gettext_lazy("Tariffs at the station"),
    Capability.ISO15118: gettext_lazy("Plug & Charge"),
    Capability.REMOTE_TRIGGER: gettext_lazy("Messages on request"),
    Capability.GRID_SUPPORT: gettext_lazy("Grid support"),
    Capability.BIDIRECTIONAL: gettext_lazy("Energy back from cars"),
    Capability.BATTERY_SWAP: gettext_lazy("Battery swap"),
    Capability.WEB_PAYMENT: gettext_lazy("Payments on the web"),
}
SOURCES = {
    Source.ANSWER: gettext_lazy("its answer"),
    Source.VERSION: gettext_lazy("its version"),
    Source.DEVICE_MODEL: gettext_lazy("its device model"),
    Source.FEATURE_PROFILES: gettext_lazy("its own word, only a hint"),
}
YES = Word(gettext_lazy("Yes"), icon="check", look="available")
NO = Word(gettext_lazy("No"), icon="x", look="unavailable")
HINT = Word(gettext_lazy("Says no"), icon="help", look="paused")
UNKNOWN = Word(gettext_lazy("Not known"), icon="help", look="unknown")


@dataclass(frozen=True, slots=True)
class Line:
    """One capability as the page shows it."""

    name: Any
    word: Word
    source: Any
    detail: str
    at: Any


def lines(station: ChargingStation) -> list[Line]:
    """All capabilities, those that are told first."""
    found = [(capability, judged(station.capabilities, capability)) for capability in Capability]
    told = sorted(found, key=lambda pair: pair[1].source is None)
    return [_line(capability, judgement) for capability, judgement in told]


def _line(capability: Capability, found: Judged) -> Line:
    word = {True: YES, False: NO, None: HINT if found.hint is False else UNKNOWN}[found.able]
    source = SOURCES[found.source] if found.source else ""
    return Line(NAMES[capability], word, source, found.detail, parse_datetime(found.at) if found.at else None)
