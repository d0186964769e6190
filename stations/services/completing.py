"""What only we can add to an intent before it becomes a command: numbers that we give, names that stations use.

One line of ``COMPLETE`` for each kind of intent that needs it; the others only have their EVSE looked up.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from core.access import Actor
from core.errors import Invalid
from stations.domain import intents
from stations.domain.intents import Intent
from stations.models import ChargingStation
from stations.services import (
    costs,
    displays,
    firmware_requests,
    grid_support,
    log_files,
    network_profiles,
    preconditions,
    reservations,
    station_tariffs,
)
from stations.services.certificates import completing as certificates
from stations.services.certificates import installed
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
    intents.SendSignedCertificate: certificates.signed_certificate,
    intents.InstallCertificate: certificates.install,
    intents.DeleteCertificate: installed.for_deleting,
    intents.GetInstalledCertificates: certificates.listing,
    intents.RenewCertificate: certificates.renewal,
    intents.RotatePassword: certificates.rotation,
    intents.SetVariables: _set_variables,
    intents.GetReport: _report,
    intents.CustomerInformation: _customer,
    intents.SetNetworkProfile: network_profiles.check,
    intents.SetDisplayMessage: displays.prepare,
    intents.GetDisplayMessages: displays.prepare_reading,
    intents.ClearDisplayMessage: displays.prepare_clearing,
    intents.CostUpdated: costs.prepare,
    intents.SetDefaultTariff: station_tariffs.prepare_default,
    intents.ChangeTransactionTariff: station_tariffs.prepare_change,
    intents.Call: station_tariffs.prepare_call,
    intents.NotifyWebPaymentStarted: station_tariffs.prepare_web_payment,
    intents.SendLocalList: local_lists.prepare,
    intents.GetLocalListVersion: local_lists.prepare_reading,
    intents.GetTransactionStatus: inquiries.prepare,
    intents.GetLog: log_files.prepare,
    intents.UpdateFirmware: firmware_requests.prepare_update,
    intents.PublishFirmware: firmware_requests.prepare_publication,
}
