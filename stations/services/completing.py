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
from stations.services import (
    costs,
    displays,
    grid_support,
    numbers,
    preconditions,
    reservations,
    station_tariffs,
)

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
    return replace(intent, request_id=numbers.next_request_id()) if "request_id" in names else intent  # type: ignore[call-arg]


def _start(station: ChargingStation, intent: intents.RequestStartTransaction, by: Actor) -> Intent:
    preconditions.require_evse(station, intent.evse_id)
    return replace(intent, remote_start_id=numbers.next_request_id())


def _stop(station: ChargingStation, intent: intents.RequestStopTransaction, by: Actor) -> Intent:
    return replace(intent, reference=preconditions.running(station, intent.transaction, by).reference)


COMPLETE: Mapping[type[Intent], Complete] = {
    intents.RequestStartTransaction: _start,
    intents.RequestStopTransaction: _stop,
    intents.ReserveNow: reservations.prepare,
    intents.CancelReservation: reservations.prepare_cancellation,
    intents.SetDerControl: grid_support.prepare,
    intents.ClearDerControl: grid_support.prepare_clearing,
    intents.SetDisplayMessage: displays.prepare,
    intents.GetDisplayMessages: displays.prepare_reading,
    intents.ClearDisplayMessage: displays.prepare_clearing,
    intents.CostUpdated: costs.prepare,
    intents.SetDefaultTariff: station_tariffs.prepare_default,
    intents.ChangeTransactionTariff: station_tariffs.prepare_change,
    intents.NotifyWebPaymentStarted: station_tariffs.prepare_web_payment,
}
