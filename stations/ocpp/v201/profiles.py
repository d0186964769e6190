"""Charging profiles between our words and those of 2.x, by tables; what a version has no word for is not sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core import clock
from core.errors import NotSupported
from stations.domain import smart_charging
from stations.domain.smart_charging import ChargingProfile, Kind, Period, Purpose, Schedule
from stations.ocpp.context import Json

Table = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Each of our names with the version's, for periods, schedules and profiles; and its enumerations."""

    version: str
    period: Table
    schedule: Table
    profile: Table
    purposes: Table
    kinds: Table
    modes: Table


PURPOSES: Table = {
    Purpose.EXTERNAL: "ChargingStationExternalConstraints",
    Purpose.STATION_MAX: "ChargingStationMaxProfile",
    Purpose.TX_DEFAULT: "TxDefaultProfile",
    Purpose.TX: "TxProfile",
}
KINDS: Table = {Kind.ABSOLUTE: "Absolute", Kind.RECURRING: "Recurring", Kind.RELATIVE: "Relative"}
RECURRENCIES: Table = {"daily": "Daily", "weekly": "Weekly"}
WORDS = Words(
    version="2.0.1",
    period={
        "start_s": "startPeriod",
        "limit": "limit",
        "number_phases": "numberPhases",
        "phase_to_use": "phaseToUse",
    },
    schedule={
        "id": "id",
        "rate_unit": "chargingRateUnit",
        "periods": "chargingSchedulePeriod",
        "start_schedule": "startSchedule",
        "duration_s": "duration",
        "min_charging_rate": "minChargingRate",
        "sales_tariff": "salesTariff",
    },
    profile={
        "id": "id",
        "purpose": "chargingProfilePurpose",
        "kind": "chargingProfileKind",
        "schedules": "chargingSchedule",
        "stack_level": "stackLevel",
        "recurrency": "recurrencyKind",
        "valid_from": "validFrom",
        "valid_to": "validTo",
        "transaction_reference": "transactionId",
    },
    purposes=PURPOSES,
    kinds=KINDS,
    modes={},
)
INSTANTS = frozenset({"start_schedule", "valid_from", "valid_to", "dyn_update_time"})


def encode(profile: ChargingProfile, words: Words) -> dict[str, Any]:
    """A ChargingProfileType. Raises :class:`NotSupported` for what the version has no word for."""
    content = smart_charging.to_json(profile)
    schedules = [
        _schedule(schedule, place + 1, words) for place, schedule in enumerate(content.pop("schedules"))
    ]
    sent = _renamed(content, words.profile, words)
    sent["chargingProfilePurpose"] = word(words.purposes, profile.purpose, "purpose", words)
    sent["chargingProfileKind"] = word(words.kinds, profile.kind, "kind", words)
    if profile.recurrency is not None:
        sent["recurrencyKind"] = RECURRENCIES[profile.recurrency]
    return {**sent, "chargingSchedule": schedules}


def decode(sent: Json, words: Words) -> ChargingProfile:
    """What the station calls a ChargingProfileType. Raises :class:`Invalid`."""
    content = _named_back(sent, words.profile)
    content["purpose"] = _back(words.purposes, content.get("purpose"))
    content["kind"] = _back(words.kinds, content.get("kind"))
    if "recurrency" in content:
        content["recurrency"] = _back(RECURRENCIES, content["recurrency"])
    content["schedules"] = [_schedule_content(one, words) for one in _list(content.get("schedules"))]
    return smart_charging.profile_of(content)


def decode_schedule(sent: Json | None, words: Words) -> Schedule:
    """A ChargingScheduleType by itself."""
    return smart_charging.schedule_of(_schedule_content(sent, words))


def decode_periods(sent: Any, words: Words) -> tuple[Period, ...]:
    """Periods by themselves, as in a composite schedule."""
    return smart_charging.periods_of(_period_content(one, words) for one in _list(sent))


def word(table: Table, ours: str, field: str, words: Words) -> str:
    """The version's word for ours. Raises :class:`NotSupported`."""
    if ours not in table:
        raise NotSupported(f"OCPP {words.version} has no {field} “{ours}”.", field="charging_profile")
    return table[ours]


def _schedule(content: dict[str, Any], number: int, words: Words) -> dict[str, Any]:
    periods = [_period(period, words) for period in content.pop("periods")]
    sent = _renamed(content, words.schedule, words)
    return {"id": number, **sent, "chargingSchedulePeriod": periods}


def _period(content: dict[str, Any], words: Words) -> dict[str, Any]:
    sent = _renamed(content, words.period, words)
    if "operation_mode" in content:
        sent[words.period["operation_mode"]] = word(
            words.modes, content["operation_mode"], "operation mode", words
        )
    return sent


def _renamed(content: Mapping[str, Any], table: Table, words: Words) -> dict[str, Any]:
    missing = [name for name in content if name not in table]
    if missing:
        raise NotSupported(
            f"OCPP {words.version} has no “{missing[0]}” in a charging profile.", field="charging_profile"
        )
    return {table[name]: _on_the_wire(name, value) for name, value in content.items()}


def _on_the_wire(name: str, value: Any) -> Any:
    return clock.to_wire(datetime.fromisoformat(value)) if name in INSTANTS else value


def _schedule_content(sent: Any, words: Words) -> dict[str, Any]:
    content = _named_back(sent, words.schedule)
    content["periods"] = [_period_content(one, words) for one in _list(content.get("periods"))]
    return content


def _period_content(sent: Any, words: Words) -> dict[str, Any]:
    content = _named_back(sent, words.period)
    if "operation_mode" in content:
        content["operation_mode"] = _back(words.modes, content["operation_mode"])
    return content


def _named_back(sent: Any, table: Table) -> dict[str, Any]:
    """Known fields under our names; empty ones are absent (P087)."""
    if not isinstance(sent, Mapping):
        return {}
    return {ours: sent[theirs] for ours, theirs in table.items() if sent.get(theirs) not in (None, "")}


def _back(table: Table, theirs: Any) -> str:
    """Our word for theirs; an unknown one stays as it is."""
    return next((ours for ours, known in table.items() if known == theirs), str(theirs or ""))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
