"""What only we can add to an intent before it becomes a command: numbers that we give, names that stations use.

One line of ``COMPLETE`` for each kind of intent that needs it; the others only have their EVSE looked up.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from core.access import Actor
from stations.domain import intents
from stations.domain.intents import Intent
from stations.models import ChargingStation
from stations.services import grid_support, preconditions, reservations
from stations.services.local_lists import holding as local_lists
from stations.services.numbers import next_request_id as next_request_id
from stations.services.smart_charging import completing as smart_charging
from stations.services.transactions import inquiries

Complete = Callable[[ChargingStation, Any, Actor], Intent]


def completed(station: ChargingStation, intent: Intent, by: Actor) -> Intent:
    """The intent as it is stored: checked against what we know of the station, with the numbers we give.

    Raises :class:`core.errors.Invalid`, :class:`core.errors.NotFound` and :class:`core.errors.Conflict`.
    """
    return COMPLETE.get(type(intent), _with_request_id)(station, intent, by)


def _with_request_id(station: ChargingStation, intent: Intent, by: Actor) -> Intent:
    names = {field.name for field in fields(intent)}
    preconditions.require_evse(
        station, getattr(intent, "evse_id", None), getattr(intent, "connector_id", None)
    )
    if "request_id" not in names:
        return intent
    return replace(intent, request_id=next_request_id())  # type: ignore[call-arg]  # the name was just looked up


def _start(station: ChargingStation, intent: intents.RequestStartTransaction, by: Actor) -> Intent:
    preconditions.require_evse(station, intent.evse_id)
    return replace(smart_charging.profile_of_start(station, intent), remote_start_id=next_request_id())


def _stop(station: ChargingStation, intent: intents.RequestStopTransaction, by: Actor) -> Intent:
    return replace(intent, reference=preconditions.running(station, intent.transaction, by).reference)


COMPLETE: Mapping[type[Intent], Complete] = {
    intents.RequestStartTransaction: _start,
    intents.RequestStopTransaction: _stop,
    intents.ReserveNow: reservations.prepare,
    intents.CancelReservation: reservations.prepare_cancellation,
    intents.SetDerControl: grid_support.prepare,
    intents.ClearDerControl: grid_support.prepare_clearing,
    intents.SetChargingProfile: smart_charging.set_profile,
    intents.ClearChargingProfile: smart_charging.clear_profiles,
    intents.GetChargingProfiles: smart_charging.get_profiles,
    intents.GetCompositeSchedule: smart_charging.get_composite,
    intents.UsePriorityCharging: smart_charging.use_priority,
    intents.NotifyAllowedEnergyTransfer: smart_charging.allow_transfers,
    intents.UpdateDynamicSchedule: smart_charging.update_dynamic,
    intents.SendLocalList: local_lists.prepare,
    intents.GetLocalListVersion: local_lists.prepare_reading,
    intents.GetTransactionStatus: inquiries.prepare,
}
