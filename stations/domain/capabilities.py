"""What a station can do, judged by what was learned of it: from whom, when, and which word counts.

Kept with the station as ``{capability: {source: {"able", "detail", "at"}}}``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from stations.domain.words import Capability


class Source(StrEnum):
    """Where something was learned, the weightiest first."""

    ANSWER = "answer"
    VERSION = "version"
    DEVICE_MODEL = "device_model"
    FEATURE_PROFILES = "feature_profiles"


HINTS = frozenset({Source.FEATURE_PROFILES})
"""What only says so: nothing is withheld because of it (P215)."""

OF_COMPONENT: Mapping[str, Capability] = {
    "ACDERCtrlr": Capability.GRID_SUPPORT,
    "AuthCacheCtrlr": Capability.AUTHORIZATION_CACHE,
    "BatterySwapCtrlr": Capability.BATTERY_SWAP,
    "DCDERCtrlr": Capability.GRID_SUPPORT,
    "DisplayMessageCtrlr": Capability.DISPLAY,
    "ISO15118Ctrlr": Capability.ISO15118,
    "LocalAuthListCtrlr": Capability.LOCAL_LIST,
    "MonitoringCtrlr": Capability.MONITORING,
    "ReservationCtrlr": Capability.RESERVATION,
    "SmartChargingCtrlr": Capability.SMART_CHARGING,
    "TariffCostCtrlr": Capability.TARIFF,
    "V2XChargingCtrlr": Capability.BIDIRECTIONAL,
    "WebPaymentsCtrlr": Capability.WEB_PAYMENT,
}
"""Controllers and what rests on them; one capability may rest on any of several."""

SWITCHES = ("Available", "Enabled")

PRINCIPAL: Mapping[Capability, frozenset[str]] = {
    Capability.BATTERY_SWAP: frozenset({"request_battery_swap"}),
    Capability.BIDIRECTIONAL: frozenset({"afrr_signal"}),
    Capability.CUSTOMER_INFORMATION: frozenset({"customer_information"}),
    Capability.DISPLAY: frozenset({"set_display_message"}),
    Capability.EVENT_STREAMS: frozenset({"get_periodic_event_stream"}),
    Capability.FIRMWARE: frozenset({"update_firmware"}),
    Capability.GRID_SUPPORT: frozenset({"set_der_control", "get_der_control"}),
    Capability.LOCAL_LIST: frozenset({"send_local_list", "get_local_list_version"}),
    Capability.MONITORING: frozenset({"set_variable_monitoring", "get_monitoring_report"}),
    Capability.NETWORK_PROFILE: frozenset({"set_network_profile"}),
    Capability.RESERVATION: frozenset({"reserve_now"}),
    Capability.SMART_CHARGING: frozenset({"set_charging_profile"}),
    Capability.TARIFF: frozenset({"set_default_tariff"}),
    Capability.TRANSACTION_STATUS: frozenset({"get_transaction_status"}),
    Capability.WEB_PAYMENT: frozenset({"notify_web_payment_started"}),
}
"""The commands whose refusal as unknown speaks for the whole capability; others may be lacking alone."""


@dataclass(frozen=True, slots=True)
class Judged:
    """``able`` is ``None`` where nobody told. A mere hint never says no."""

    able: bool | None = None
    source: Source | None = None
    detail: str = ""
    at: str = ""
    hint: bool | None = None


def judged(learned: Mapping[str, Any], capability: Capability) -> Judged:
    """By the weightiest source that told."""
    told = learned.get(capability.value) or {}
    for source in Source:
        if source.value in told:
            entry = told[source.value]
            able = bool(entry["able"])
            unheard = source in HINTS and not able
            return Judged(None if unheard else able, source, entry["detail"], entry["at"], able)
    return Judged()


def with_evidence(
    learned: Mapping[str, Any], source: Source, told: Mapping[Capability, tuple[bool, str]], at: datetime
) -> dict[str, Any]:
    """What is known once the source has told this as well."""
    fresh = {name: dict(entries) for name, entries in learned.items()}
    for capability, (able, detail) in told.items():
        entry = {"able": able, "detail": detail[:200], "at": at.isoformat()}
        fresh.setdefault(capability.value, {})[source.value] = entry
    return fresh


def without(learned: Mapping[str, Any], sources: Iterable[Source]) -> dict[str, Any]:
    """What is known without these sources."""
    gone = {source.value for source in sources}
    left = {
        name: {source: entry for source, entry in entries.items() if source not in gone}
        for name, entries in learned.items()
    }
    return {name: entries for name, entries in left.items() if entries}


def spoken_for_by(command: str) -> Capability | None:
    """The capability that is lacking where this command is unknown to the station."""
    return next((capability for capability, names in PRINCIPAL.items() if command in names), None)
