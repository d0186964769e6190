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
from stations.ocpp.v21 import battery_swaps, grid_support, local_lists, outbound, smart_charging

ROUTES: Routes = {
    **v201.ROUTES,
    "BatterySwap": Decided(battery_swaps.battery_swap),
    "NotifyDERAlarm": Decided(grid_support.alarm),
    "NotifyDERStartStop": Decided(grid_support.start_stop),
    "ReportDERControl": Decided(grid_support.report),
    "NotifyChargingLimit": Decided(smart_charging.notify_limit),
    "NotifyEVChargingNeeds": Decided(smart_charging.notify_needs),
    "NotifyEVChargingSchedule": Decided(smart_charging.notify_car_schedule),
    "NotifyPriorityCharging": Decided(smart_charging.notify_priority),
    "PullDynamicScheduleUpdate": Decided(smart_charging.pull_update),
    "ReportChargingProfiles": Decided(smart_charging.report_profiles),
}

OUTBOUND: Outbound = {
    **v201.OUTBOUND,
    intents.RequestStartTransaction: outbound.request_start,
    intents.ReserveNow: outbound.reserve_now,
    intents.SetDerControl: grid_support.set_der_control,
    intents.GetDerControl: grid_support.get_der_control,
    intents.ClearDerControl: grid_support.clear_der_control,
    intents.RequestBatterySwap: battery_swaps.request_battery_swap,
    intents.AfrrSignal: smart_charging.afrr_signal,
    intents.ClearChargingProfile: smart_charging.clear_profiles,
    intents.GetChargingProfiles: smart_charging.get_profiles,
    intents.NotifyAllowedEnergyTransfer: smart_charging.allow_transfers,
    intents.SetChargingProfile: smart_charging.set_profile,
    intents.UpdateDynamicSchedule: smart_charging.update_dynamic,
    intents.UsePriorityCharging: smart_charging.use_priority,
    intents.SendLocalList: local_lists.send,
}

ABSORB: Mapping[str, Callable[[Socket, Json, Json, datetime], None]] = {
    **v201.ABSORB,
    "SetDERControl": grid_support.absorb_set,
    "ClearDERControl": grid_support.absorb_cleared,
    "ClearChargingProfile": smart_charging.absorb_cleared,
    "GetCompositeSchedule": smart_charging.absorb_composite,
    "NotifyAllowedEnergyTransfer": smart_charging.absorb_allowed,
    "SetChargingProfile": smart_charging.absorb_set,
    "UpdateDynamicSchedule": smart_charging.absorb_update,
}

interpret = v201.interpret
