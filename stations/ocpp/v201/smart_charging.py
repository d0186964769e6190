"""Smart charging in 2.0.1 (block K): what stations tell, what is said to them, what their answers hold."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.errors import Invalid, NotSupported
from stations.domain import intents, smart_charging, timestamps
from stations.domain.smart_charging import (
    RATE_UNITS,
    CarScheduleNotified,
    CompositeReported,
    LimitCleared,
    LimitNotified,
    NeedsNotified,
    ProfileFilter,
    ProfilesReported,
    Purpose,
)
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields, profiles
from stations.ocpp.v201.profiles import WORDS, Words
from stations.services.smart_charging import composites, limits, plans
from stations.services.smart_charging import profiles as installed
from stations.services.smart_charging.plans import Answer

SOURCES = frozenset({"EMS", "Other", "SO", "CSO"})
CLEARED = frozenset({"Accepted", "Unknown"})
OURS = (Purpose.STATION_MAX, Purpose.TX_DEFAULT, Purpose.TX)
"""What an order to clear everything means."""

STATUS: Mapping[Answer, str] = {
    Answer.ACCEPTED: "Accepted",
    Answer.REJECTED: "Rejected",
    Answer.NO_PROFILE: "Rejected",
}


def report_profiles(socket: Socket, payload: Json, received_at: datetime, words: Words = WORDS) -> Json:
    part = ProfilesReported(
        request_id=fields.whole(payload["requestId"], "requestId"),
        evse_id=fields.whole(payload["evseId"], "evseId"),
        source=fields.text(payload, "chargingLimitSource", 20),
        profiles=tuple(profiles.decode(one, words) for one in payload.get("chargingProfile") or ()),
        to_be_continued=bool(payload.get("tbc", False)),
    )
    installed.store_report(socket, part, received_at)
    return {}


def notify_limit(socket: Socket, payload: Json, received_at: datetime, words: Words = WORDS) -> Json:
    limit = payload.get("chargingLimit") or {}
    event = LimitNotified(
        evse_id=fields.whole_or_none(payload, "evseId") or 0,
        source=fields.text(limit, "chargingLimitSource", 20),
        schedules=tuple(
            profiles.decode_schedule(one, words) for one in payload.get("chargingSchedule") or ()
        ),
        grid_critical=_truth(limit, "isGridCritical"),
        local_generation=_truth(limit, "isLocalGeneration"),
    )
    limits.notified(socket, event, received_at)
    return {}


def cleared_limit(socket: Socket, payload: Json, received_at: datetime) -> Json:
    event = LimitCleared(
        source=fields.text(payload, "chargingLimitSource", 20),
        evse_id=fields.whole_or_none(payload, "evseId"),
    )
    limits.cleared(socket, event, received_at)
    return {}


def notify_needs(socket: Socket, payload: Json, received_at: datetime) -> Json:
    answer = plans.needs_notified(socket, needs_of(payload), received_at)
    return {"status": STATUS[answer]}


def notify_car_schedule(socket: Socket, payload: Json, received_at: datetime, words: Words = WORDS) -> Json:
    event = CarScheduleNotified(
        evse_id=fields.whole(payload["evseId"], "evseId"),
        time_base=timestamps.stamp_or_receipt(
            payload.get("timeBase"), received_at, lenient=socket.lenient, field="timeBase"
        ).occurred_at,
        schedule=profiles.decode_schedule(payload.get("chargingSchedule"), words),
        selected=fields.whole_or_none(payload, "selectedChargingScheduleId"),
    )
    return {"status": STATUS[plans.car_schedule_notified(socket, event, received_at)]}


def needs_of(payload: Json) -> NeedsNotified:
    """What the car asks for, of the parameters for AC or DC that it sent."""
    needs = payload["chargingNeeds"]
    alternating, direct = needs.get("acChargingParameters") or {}, needs.get("dcChargingParameters") or {}
    sent = {**alternating, **direct}
    return NeedsNotified(
        evse_id=fields.whole(payload["evseId"], "evseId"),
        energy_transfer=fields.text(needs, "requestedEnergyTransfer", 20),
        departure_at=timestamps.instant(needs.get("departureTime"), field="chargingNeeds.departureTime"),
        energy_wh=number(sent, "energyAmount"),
        soc_percent=fields.whole_or_none(direct, "stateOfCharge"),
        target_soc_percent=fields.whole_or_none(direct, "fullSoC"),
        min_current_a=number(sent, "evMinCurrent"),
        max_current_a=number(sent, "evMaxCurrent"),
        max_voltage_v=number(sent, "evMaxVoltage"),
        max_power_w=number(sent, "evMaxPower"),
        max_schedule_tuples=fields.whole_or_none(payload, "maxScheduleTuples"),
        details={name: value for name, value in needs.items() if name != "customData"},
    )


def number(parent: Json, name: str) -> Decimal | None:
    """A figure of the car; absent, and what is none, is none."""
    value = parent.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    figure = Decimal(str(value))
    return figure if abs(figure) <= fields.INT32_MAX else None


def set_profile(socket: Socket, intent: intents.SetChargingProfile, words: Words = WORDS) -> OutboundCall:
    profile = smart_charging.profile_of(intent.charging_profile)
    payload = {"evseId": intent.evse_id, "chargingProfile": profiles.encode(profile, words)}
    return OutboundCall("SetChargingProfile", payload)


def clear_profiles(
    socket: Socket, intent: intents.ClearChargingProfile, words: Words = WORDS
) -> OutboundCall:
    """One by its number, what matches, or everything of ours: one message for each purpose (K10.FR.02)."""
    if intent.charging_profile_id is not None:
        return OutboundCall("ClearChargingProfile", {"chargingProfileId": intent.charging_profile_id})
    criteria = _given(evseId=intent.evse_id, stackLevel=intent.stack_level)
    asked = [Purpose(intent.purpose)] if intent.purpose is not None else []
    if not asked and not criteria:
        asked = list(OURS)
    wanted = [
        {**criteria, "chargingProfilePurpose": profiles.word(words.purposes, one, "purpose", words)}
        for one in asked
    ] or [criteria]
    first, *more = [OutboundCall("ClearChargingProfile", {"chargingProfileCriteria": one}) for one in wanted]
    return OutboundCall(first.action, first.payload, tuple(more))


def get_profiles(socket: Socket, intent: intents.GetChargingProfiles, words: Words = WORDS) -> OutboundCall:
    """With what narrows it: a station may want one criterion at least (K09.FR.03), so all sources are named."""
    criterion = _given(
        stackLevel=intent.stack_level,
        chargingProfileId=list(intent.charging_profile_ids) or None,
        chargingLimitSource=list(intent.sources) or None,
        chargingProfilePurpose=None
        if intent.purpose is None
        else profiles.word(words.purposes, intent.purpose, "purpose", words),
    )
    if not criterion:
        criterion = {"chargingLimitSource": sorted(SOURCES)}
    payload = {
        "requestId": intent.request_id,
        **_given(evseId=intent.evse_id),
        "chargingProfile": criterion,
    }
    return OutboundCall("GetChargingProfiles", payload)


def get_composite(socket: Socket, intent: intents.GetCompositeSchedule) -> OutboundCall:
    payload = {
        "duration": intent.duration,
        "evseId": intent.evse_id,
        **_given(chargingRateUnit=intent.unit),
    }
    return OutboundCall("GetCompositeSchedule", payload)


def require_sources(sources: tuple[str, ...]) -> None:
    """2.0.1 knows four sources only."""
    unknown = [source for source in sources if source not in SOURCES]
    if unknown:
        raise NotSupported(f"OCPP 2.0.1 has no source “{unknown[0]}”.", field="sources")


def get_profiles_201(socket: Socket, intent: intents.GetChargingProfiles) -> OutboundCall:
    require_sources(intent.sources)
    return get_profiles(socket, intent)


def absorb_set(socket: Socket, request: Json, response: Json, at: datetime, words: Words = WORDS) -> None:
    """A profile that the station took is there; what came of it is asked for."""
    if response.get("status") != "Accepted":
        return
    try:
        profile = profiles.decode(request["chargingProfile"], words)
    except Invalid:
        # A raw call may hold figures beyond those that we keep.
        return
    evse_id = int(request["evseId"])
    installed.installed(socket, evse_id, profile, at)
    place = composites.place_to_read(socket, evse_id, profile.purpose)
    composites.read_back(socket, place, profile.schedules[0].rate_unit)


def absorb_cleared(socket: Socket, request: Json, response: Json, at: datetime, words: Words = WORDS) -> None:
    """What was to be cleared is gone, also where the station had nothing of it (K10)."""
    if response.get("status") not in CLEARED:
        return
    criteria = request.get("chargingProfileCriteria") or {}
    number = request.get("chargingProfileId")
    wanted = ProfileFilter(
        ids=() if number is None else (int(number),),
        evse_id=criteria.get("evseId"),
        purpose=_purpose(criteria, words),
        stack_level=criteria.get("stackLevel"),
    )
    evses = installed.cleared(socket, wanted)
    place = criteria.get("evseId") or (evses[0] if evses else 0)
    composites.read_back(socket, composites.place_to_read(socket, place, Purpose.TX_DEFAULT))


def absorb_profiles(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """Parts will follow, unless there is nothing to tell."""
    if response.get("status") == "NoProfiles":
        installed.nothing_reported(socket, int(request["requestId"]))


def absorb_composite(
    socket: Socket, request: Json, response: Json, at: datetime, words: Words = WORDS
) -> None:
    """The curve, or that there is none (P253)."""
    evse_id = int(request["evseId"])
    try:
        event = _composite(evse_id, response.get("schedule") or {}, at, words)
    except Invalid:
        event = CompositeReported(evse_id=evse_id)
    composites.store(socket, event, at)


def _composite(evse_id: int, schedule: Json, at: datetime, words: Words) -> CompositeReported:
    unit = fields.text(schedule, "chargingRateUnit", 1)
    if unit not in RATE_UNITS:
        return CompositeReported(evse_id=evse_id)
    return CompositeReported(
        evse_id=evse_id,
        starts_at=timestamps.stamp_or_receipt(schedule.get("scheduleStart"), at, lenient=True).occurred_at,
        duration_s=fields.whole_or_none(schedule, "duration"),
        rate_unit=unit,
        periods=profiles.decode_periods(schedule.get("chargingSchedulePeriod"), words),
    )


def _purpose(criteria: Json, words: Words) -> str | None:
    theirs = criteria.get("chargingProfilePurpose")
    return next((ours for ours, known in words.purposes.items() if known == theirs), None)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _truth(parent: Json, name: str) -> bool | None:
    value = parent.get(name)
    return value if isinstance(value, bool) else None
