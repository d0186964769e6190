"""Smart charging in 2.1: the handlers of 2.0.1 with more words, priority, dynamic schedules and V2X (K, Q)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial

from core import clock
from stations.domain import intents, smart_charging
from stations.domain.smart_charging import NeedsNotified, ScheduleUpdate
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v21.profiles import UPDATE, WORDS
from stations.ocpp.v201 import fields
from stations.ocpp.v201 import smart_charging as v201
from stations.services.smart_charging import plans, profiles
from stations.services.smart_charging.plans import Answer

STATUS: Mapping[Answer, str] = {**v201.STATUS, Answer.NO_PROFILE: "NoChargingProfile"}
CONTROL_MODES: Mapping[str, str] = {
    "ScheduledControl": "scheduled_control",
    "DynamicControl": "dynamic_control",
}

report_profiles = partial(v201.report_profiles, words=WORDS)
notify_limit = partial(v201.notify_limit, words=WORDS)
notify_car_schedule = partial(v201.notify_car_schedule, words=WORDS)
set_profile = partial(v201.set_profile, words=WORDS)
clear_profiles = partial(v201.clear_profiles, words=WORDS)
get_profiles = partial(v201.get_profiles, words=WORDS)
absorb_set = partial(v201.absorb_set, words=WORDS)
absorb_cleared = partial(v201.absorb_cleared, words=WORDS)
absorb_composite = partial(v201.absorb_composite, words=WORDS)


def notify_needs(socket: Socket, payload: Json, received_at: datetime) -> Json:
    answer = plans.needs_notified(socket, needs_of(payload), received_at)
    return {"status": STATUS[answer]}


def notify_priority(socket: Socket, payload: Json, received_at: datetime) -> Json:
    plans.priority_notified(
        socket, fields.reference(str(payload["transactionId"])), bool(payload["activated"]), received_at
    )
    return {}


def pull_update(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """The present figures of a dynamic profile of ours; of others nothing is known."""
    update = profiles.pulled(socket, fields.whole(payload["chargingProfileId"], "chargingProfileId"))
    if update is None:
        return {"status": "Rejected"}
    return {"status": "Accepted", "scheduleUpdate": _update(smart_charging.to_json(update))}


def needs_of(payload: Json) -> NeedsNotified:
    """As in 2.0.1, with what bidirectional cars say."""
    needs = v201.needs_of(payload)
    sent = payload["chargingNeeds"]
    both = sent.get("v2xChargingParameters") or {}
    mode = fields.text(sent, "controlMode", 20)
    return replace(
        needs,
        control_mode=CONTROL_MODES.get(mode, mode),
        energy_wh=_either(needs.energy_wh, v201.number(both, "evTargetEnergyRequest")),
        target_soc_percent=fields.whole_or_none(both, "targetSoC") or needs.target_soc_percent,
        min_current_a=_either(needs.min_current_a, v201.number(both, "minChargeCurrent")),
        max_current_a=_either(needs.max_current_a, v201.number(both, "maxChargeCurrent")),
        max_voltage_v=_either(needs.max_voltage_v, v201.number(both, "maxVoltage")),
        max_power_w=_either(needs.max_power_w, v201.number(both, "maxChargePower")),
    )


def use_priority(socket: Socket, intent: intents.UsePriorityCharging) -> OutboundCall:
    payload = {"transactionId": intent.reference, "activate": intent.activate}
    return OutboundCall("UsePriorityCharging", payload)


def update_dynamic(socket: Socket, intent: intents.UpdateDynamicSchedule) -> OutboundCall:
    payload = {"chargingProfileId": intent.charging_profile_id, "scheduleUpdate": _update(intent.update)}
    return OutboundCall("UpdateDynamicSchedule", payload)


def allow_transfers(socket: Socket, intent: intents.NotifyAllowedEnergyTransfer) -> OutboundCall:
    payload = {"transactionId": intent.reference, "allowedEnergyTransfer": list(intent.allowed)}
    return OutboundCall("NotifyAllowedEnergyTransfer", payload)


def afrr_signal(socket: Socket, intent: intents.AfrrSignal) -> OutboundCall:
    payload = {"timestamp": clock.to_wire(intent.timestamp), "signal": intent.signal}
    return OutboundCall("AFRRSignal", payload)


def absorb_update(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """New figures that the station took for a dynamic profile."""
    if response.get("status") != "Accepted":
        return
    sent = request["scheduleUpdate"]
    update = smart_charging.update_of({ours: sent[name] for ours, name in UPDATE.items() if name in sent})
    profiles.updated(socket, int(request["chargingProfileId"]), update)


def absorb_allowed(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """What the session may use from now on."""
    if response.get("status") == "Accepted":
        allowed = tuple(request["allowedEnergyTransfer"])
        plans.transfers_allowed(socket, fields.reference(str(request["transactionId"])), allowed)


def _update(content: Mapping[str, object]) -> Json:
    return {UPDATE[name]: value for name, value in content.items() if name in ScheduleUpdate.__slots__}


def _either(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return second if first is None else first
