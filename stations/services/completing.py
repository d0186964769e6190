"""What only we can add to an intent before it becomes a command: numbers that we give, names that stations use.

One line of ``COMPLETE`` for each kind of intent that needs it; the others only have their EVSE looked up.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from django.db import connection

from core.access import Actor
from core.errors import Invalid
from stations.domain import intents
from stations.domain.intents import Intent
from stations.models import ChargingStation
from stations.services import network_profiles, preconditions

Complete = Callable[[ChargingStation, Any, Actor], Intent]


def completed(station: ChargingStation, intent: Intent, by: Actor) -> Intent:
    """The intent as it is stored: checked against what we know of the station, with the numbers we give.

    Raises :class:`core.errors.Invalid`, :class:`core.errors.NotFound` and :class:`core.errors.Conflict`.
    """
    return COMPLETE.get(type(intent), _with_request_id)(station, intent, by)


def next_request_id() -> int:
    """A positive 32-bit number for requests, never given twice (P219)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('stations_request_id_seq')")
        return int(cursor.fetchone()[0])


def _with_request_id(station: ChargingStation, intent: Intent, by: Actor) -> Intent:
    names = {field.name for field in fields(intent)}
    preconditions.require_evse(
        station, getattr(intent, "evse_id", None), getattr(intent, "connector_id", None)
    )
    return replace(intent, request_id=next_request_id()) if "request_id" in names else intent  # type: ignore[call-arg]


def _start(station: ChargingStation, intent: intents.RequestStartTransaction, by: Actor) -> Intent:
    preconditions.require_evse(station, intent.evse_id)
    return replace(intent, remote_start_id=next_request_id())


def _stop(station: ChargingStation, intent: intents.RequestStopTransaction, by: Actor) -> Intent:
    return replace(intent, reference=preconditions.running(station, intent.transaction, by).reference)


def _set_variables(station: ChargingStation, intent: intents.SetVariables, by: Actor) -> Intent:
    network_profiles.check_items(station, intent.items)
    return intent


def _report(station: ChargingStation, intent: intents.GetReport, by: Actor) -> Intent:
    if not intent.criteria and not intent.items:
        raise Invalid("Name a criterion or a component, or ask for a base report.", field="criteria")
    return replace(intent, request_id=next_request_id())


def _customer(station: ChargingStation, intent: intents.CustomerInformation, by: Actor) -> Intent:
    named = [intent.token_value, intent.customer_identifier, intent.certificate]
    if sum(value is not None for value in named) != 1:
        raise Invalid("Name one customer: by token, by identifier, or by certificate.", field="token")
    if not (intent.report or intent.clear):
        raise Invalid("Choose to read the data, to have it cleared, or both.", field="report")
    return replace(intent, request_id=next_request_id())


COMPLETE: Mapping[type[Intent], Complete] = {
    intents.RequestStartTransaction: _start,
    intents.RequestStopTransaction: _stop,
    intents.SetVariables: _set_variables,
    intents.GetReport: _report,
    intents.CustomerInformation: _customer,
    intents.SetNetworkProfile: network_profiles.check,
}
