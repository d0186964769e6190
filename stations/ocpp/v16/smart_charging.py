"""Smart charging in 1.6 (section 3.13): profiles with one schedule, in our words and in those of 1.6."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from core import clock
from core.errors import Invalid, NotSupported
from stations.domain import charging_rules, intents, smart_charging, timestamps
from stations.domain.smart_charging import (
    RATE_UNITS,
    ChargingProfile,
    CompositeReported,
    Kind,
    Period,
    ProfileFilter,
    Purpose,
    Schedule,
)
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v16 import fields
from stations.services.smart_charging import abilities, composites, profiles

Table = Mapping[str, str]
PURPOSES: Table = {
    Purpose.STATION_MAX: "ChargePointMaxProfile",
    Purpose.TX_DEFAULT: "TxDefaultProfile",
    Purpose.TX: "TxProfile",
}
KINDS: Table = {Kind.ABSOLUTE: "Absolute", Kind.RECURRING: "Recurring", Kind.RELATIVE: "Relative"}
RECURRENCIES: Table = {"daily": "Daily", "weekly": "Weekly"}
PERIOD_NAMES = frozenset({"start_s", "limit", "number_phases"})
SCHEDULE_NAMES = frozenset(
    {"id", "rate_unit", "periods", "start_schedule", "duration_s", "min_charging_rate"}
)
PROFILE_NAMES = frozenset(
    {"id", "purpose", "kind", "schedules", "stack_level", "recurrency", "valid_from", "valid_to",
     "transaction_reference"}
)  # fmt: skip
CLEARED = frozenset({"Accepted", "Unknown"})


def set_profile(socket: Socket, intent: intents.SetChargingProfile) -> OutboundCall:
    """A TxProfile names its transaction here, and only here (P251)."""
    _require_feature(socket)
    profile = smart_charging.profile_of(intent.charging_profile)
    sent = encode(profile)
    if profile.transaction_reference is not None:
        sent["transactionId"] = _number_of(profile.transaction_reference)
    return OutboundCall("SetChargingProfile", {"connectorId": intent.evse_id, "csChargingProfiles": sent})


def clear_profiles(socket: Socket, intent: intents.ClearChargingProfile) -> OutboundCall:
    """Nothing given clears all."""
    _require_feature(socket)
    payload: dict[str, Any] = {
        "id": intent.charging_profile_id,
        "connectorId": intent.evse_id,
        "chargingProfilePurpose": None if intent.purpose is None else _word(PURPOSES, intent.purpose),
        "stackLevel": intent.stack_level,
    }
    given = {name: value for name, value in payload.items() if value is not None}
    return OutboundCall("ClearChargingProfile", given)


def get_composite(socket: Socket, intent: intents.GetCompositeSchedule) -> OutboundCall:
    _require_feature(socket)
    payload: dict[str, Any] = {"connectorId": intent.evse_id, "duration": intent.duration}
    if intent.unit is not None:
        payload["chargingRateUnit"] = intent.unit
    return OutboundCall("GetCompositeSchedule", payload)


def encode(profile: ChargingProfile) -> dict[str, Any]:
    """A chargingProfile without its transaction. Raises :class:`NotSupported` for what 1.6 has no word for."""
    _require_words(profile, PROFILE_NAMES)
    if len(profile.schedules) > 1:
        raise NotSupported("OCPP 1.6 takes one schedule in a profile.", field="charging_profile/schedules")
    sent: dict[str, Any] = {
        "chargingProfileId": profile.number,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": _word(PURPOSES, profile.purpose),
        "chargingProfileKind": _word(KINDS, profile.kind),
        "chargingSchedule": _schedule(profile.schedules[0]),
    }
    if profile.recurrency is not None:
        sent["recurrencyKind"] = RECURRENCIES[profile.recurrency]
    for name, instant in (("validFrom", profile.valid_from), ("validTo", profile.valid_to)):
        if instant is not None:
            sent[name] = clock.to_wire(instant)
    return sent


def decode(sent: Json) -> ChargingProfile:
    """A chargingProfile that we sent. Raises :class:`Invalid`."""
    content: dict[str, Any] = {
        "id": sent.get("chargingProfileId"),
        "stack_level": sent.get("stackLevel"),
        "purpose": _back(PURPOSES, sent.get("chargingProfilePurpose")),
        "kind": _back(KINDS, sent.get("chargingProfileKind")),
        "recurrency": _back(RECURRENCIES, sent["recurrencyKind"]) if sent.get("recurrencyKind") else None,
        "valid_from": sent.get("validFrom"),
        "valid_to": sent.get("validTo"),
        "transaction_reference": str(sent["transactionId"]) if "transactionId" in sent else None,
        "schedules": [{"id": 1, **_content(sent.get("chargingSchedule") or {})}],
    }
    return smart_charging.profile_of(content)


def absorb_set(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """A profile that the station took is there; what came of it is asked for."""
    if response.get("status") != "Accepted":
        return
    try:
        profile = decode(request["csChargingProfiles"])
    except Invalid:
        # A raw call may hold figures beyond those that we keep.
        return
    evse_id = fields.evse_id(request)
    profiles.installed(socket, evse_id, profile, at, alone_at_its_level=True)
    place = composites.place_to_read(socket, evse_id, profile.purpose)
    composites.read_back(socket, place, profile.schedules[0].rate_unit)


def absorb_cleared(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """What was to be cleared is gone, also where the station had nothing of it."""
    if response.get("status") not in CLEARED:
        return
    number, purpose = request.get("id"), request.get("chargingProfilePurpose")
    wanted = ProfileFilter(
        ids=() if number is None else (int(number),),
        evse_id=request.get("connectorId"),
        purpose=None if purpose is None else _back(PURPOSES, purpose),
        stack_level=request.get("stackLevel"),
    )
    evses = profiles.cleared(socket, wanted)
    place = request.get("connectorId") or (evses[0] if evses else 0)
    composites.read_back(socket, composites.place_to_read(socket, place, Purpose.TX_DEFAULT))


def absorb_composite(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """The curve; a refusal has none, and an acceptance may lack it (P253)."""
    evse_id = fields.evse_id(request)
    try:
        event = _composite(evse_id, request, response, at)
    except Invalid:
        event = CompositeReported(evse_id=evse_id)
    composites.store(socket, event, at)


def _composite(evse_id: int, request: Json, response: Json, at: datetime) -> CompositeReported:
    schedule = _content(response.get("chargingSchedule") or {})
    if schedule.get("rate_unit") not in RATE_UNITS:
        return CompositeReported(evse_id=evse_id)
    return CompositeReported(
        evse_id=evse_id,
        starts_at=timestamps.stamp_or_receipt(response.get("scheduleStart"), at, lenient=True).occurred_at,
        duration_s=_seconds(schedule.get("duration_s") or request.get("duration")),
        rate_unit=schedule["rate_unit"],
        periods=smart_charging.periods_of(schedule["periods"]),
    )


def _seconds(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= fields.INT32_MAX else None


def _number_of(reference: str) -> int:
    if not reference.isdecimal():
        raise NotSupported("This session was not begun by OCPP 1.6; it has no number.", field="transaction")
    return int(reference)


def _require_feature(socket: Socket) -> None:
    if not abilities.of(socket.station_id).offered:
        raise NotSupported("The station says that it has no smart charging (SupportedFeatureProfiles).")


def _schedule(schedule: Schedule) -> dict[str, Any]:
    _require_words(schedule, SCHEDULE_NAMES)
    sent: dict[str, Any] = {
        "chargingRateUnit": schedule.rate_unit,
        "chargingSchedulePeriod": [_period(period) for period in schedule.periods],
    }
    if schedule.duration_s is not None:
        sent["duration"] = schedule.duration_s
    if schedule.start_schedule is not None:
        sent["startSchedule"] = clock.to_wire(schedule.start_schedule)
    if schedule.min_charging_rate is not None:
        sent["minChargingRate"] = _one_decimal(schedule.min_charging_rate)
    return sent


def _period(period: Period) -> dict[str, Any]:
    _require_words(period, PERIOD_NAMES)
    if period.limit is None:
        raise NotSupported("OCPP 1.6 wants a limit in each period.", field="charging_profile/schedules")
    sent: dict[str, Any] = {"startPeriod": period.start_s, "limit": _one_decimal(period.limit)}
    if period.number_phases is not None:
        sent["numberPhases"] = period.number_phases
    return sent


def _content(sent: Json) -> dict[str, Any]:
    periods = sent.get("chargingSchedulePeriod")
    content = {
        "rate_unit": sent.get("chargingRateUnit"),
        "duration_s": sent.get("duration"),
        "start_schedule": sent.get("startSchedule") or None,
        "min_charging_rate": sent.get("minChargingRate"),
        "periods": [
            {
                "start_s": one.get("startPeriod"),
                "limit": one.get("limit"),
                "number_phases": one.get("numberPhases"),
            }
            for one in (periods if isinstance(periods, list) else [])
        ],
    }
    return {name: value for name, value in content.items() if value is not None}


def _one_decimal(value: Decimal) -> int | float:
    """Rounded down, as 1.6 has one decimal at most (P250)."""
    cut = charging_rules.tenth(value)
    return int(cut) if cut == cut.to_integral_value() else float(cut)


def _require_words(thing: Any, known: frozenset[str]) -> None:
    unknown = sorted(set(smart_charging.to_json(thing)) - known)
    if unknown:
        raise NotSupported(f"OCPP 1.6 has no “{unknown[0]}” in a charging profile.", field="charging_profile")


def _word(table: Table, ours: str) -> str:
    if ours not in table:
        raise NotSupported(f"OCPP 1.6 has no profiles of “{ours}”.", field="charging_profile")
    return table[ours]


def _back(table: Table, theirs: Any) -> str:
    return next((ours for ours, known in table.items() if known == theirs), str(theirs or ""))
