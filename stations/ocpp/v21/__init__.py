"""OCPP 2.1 at the door: the difference to 2.0.1.

Longer tokens of open types, further measurands and trigger reasons are data to the handlers of 2.0.1; what
this version adds to its messages (costs, limits, severity) is accepted by its schemas.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from stations.domain import intents
from stations.ocpp import v201
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Decided, Outbound, Routes
from stations.ocpp.v21 import (
    answers,
    authorization,
    battery_swaps,
    certificates,
    displays,
    grid_support,
    local_lists,
    monitoring,
    outbound,
    payments,
    smart_charging,
    station_tariffs,
    streams,
)

ROUTES: Routes = {
    **v201.ROUTES,
    "Authorize": Decided(authorization.authorize),
    "BatterySwap": Decided(battery_swaps.battery_swap),
    "NotifyDERAlarm": Decided(grid_support.alarm),
    "NotifyDERStartStop": Decided(grid_support.start_stop),
    "NotifySettlement": Decided(payments.notify_settlement),
    "ReportDERControl": Decided(grid_support.report),
    "NotifyChargingLimit": Decided(smart_charging.notify_limit),
    "NotifyEVChargingNeeds": Decided(smart_charging.notify_needs),
    "NotifyEVChargingSchedule": Decided(smart_charging.notify_car_schedule),
    "NotifyPriorityCharging": Decided(smart_charging.notify_priority),
    "PullDynamicScheduleUpdate": Decided(smart_charging.pull_update),
    "ReportChargingProfiles": Decided(smart_charging.report_profiles),
    "Get15118EVCertificate": Decided(certificates.ev_certificate),
    "GetCertificateChainStatus": Decided(certificates.chain_status),
    "GetCertificateStatus": Decided(certificates.certificate_status),
    "ClosePeriodicEventStream": Decided(streams.close_stream),
    "NotifyPeriodicEventStream": Decided(streams.notify),
    "OpenPeriodicEventStream": Decided(streams.open_stream),
    "VatNumberValidation": Decided(payments.validate_vat_number),
}

OUTBOUND: Outbound = {
    **v201.OUTBOUND,
    intents.RequestStartTransaction: outbound.request_start,
    intents.ReserveNow: outbound.reserve_now,
    intents.SetDerControl: grid_support.set_der_control,
    intents.GetDerControl: grid_support.get_der_control,
    intents.ClearDerControl: grid_support.clear_der_control,
    intents.SetDisplayMessage: displays.set_display_message,
    intents.SetDefaultTariff: station_tariffs.set_default,
    intents.ChangeTransactionTariff: station_tariffs.change,
    intents.GetTariffs: station_tariffs.get,
    intents.ClearTariffs: station_tariffs.clear,
    intents.NotifyWebPaymentStarted: payments.web_payment_started,
    intents.RequestBatterySwap: battery_swaps.request_battery_swap,
    intents.AfrrSignal: smart_charging.afrr_signal,
    intents.ClearChargingProfile: smart_charging.clear_profiles,
    intents.GetChargingProfiles: smart_charging.get_profiles,
    intents.NotifyAllowedEnergyTransfer: smart_charging.allow_transfers,
    intents.SetChargingProfile: smart_charging.set_profile,
    intents.UpdateDynamicSchedule: smart_charging.update_dynamic,
    intents.UsePriorityCharging: smart_charging.use_priority,
    intents.GetInstalledCertificates: certificates.get_installed,
    intents.GetLog: certificates.get_log,
    intents.InstallCertificate: certificates.install_certificate,
    intents.RenewCertificate: certificates.renew_certificate,
    intents.SendSignedCertificate: certificates.certificate_signed,
    intents.ResetStation: outbound.reset,
    intents.TriggerMessage: outbound.trigger_message,
    intents.SetVariableMonitoring: monitoring.set_monitors,
    intents.CustomerInformation: monitoring.ask_customer,
    intents.AdjustEventStream: streams.adjust,
    intents.GetEventStreams: streams.get_streams,
    intents.SetNetworkProfile: outbound.set_profile,
    intents.SendLocalList: local_lists.send,
}

OBJECTED: Mapping[str, Callable[[Socket, str, str, datetime], Callable[[], None] | None]] = {
    "Authorize": authorization.tariff_refused,
}

ABSORB: Mapping[str, Callable[[Socket, Json, Json, datetime], None]] = {
    **v201.ABSORB,
    "ClearTariffs": station_tariffs.absorb_cleared,
    "GetTariffs": station_tariffs.absorb_told,
    "SetDERControl": grid_support.absorb_set,
    "ClearDERControl": grid_support.absorb_cleared,
    "ClearChargingProfile": smart_charging.absorb_cleared,
    "GetCompositeSchedule": smart_charging.absorb_composite,
    "NotifyAllowedEnergyTransfer": smart_charging.absorb_allowed,
    "SetChargingProfile": smart_charging.absorb_set,
    "UpdateDynamicSchedule": smart_charging.absorb_update,
    "AdjustPeriodicEventStream": streams.absorb_adjusted,
    "GetPeriodicEventStream": streams.absorb_list,
}

interpret = answers.interpret
