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
    battery_swaps,
    displays,
    grid_support,
    outbound,
    payments,
    station_tariffs,
)

ROUTES: Routes = {
    **v201.ROUTES,
    "BatterySwap": Decided(battery_swaps.battery_swap),
    "NotifyDERAlarm": Decided(grid_support.alarm),
    "NotifyDERStartStop": Decided(grid_support.start_stop),
    "NotifySettlement": Decided(payments.notify_settlement),
    "ReportDERControl": Decided(grid_support.report),
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
}

ABSORB: Mapping[str, Callable[[Socket, Json, Json, datetime], None]] = {
    **v201.ABSORB,
    "ClearTariffs": station_tariffs.absorb_cleared,
    "GetTariffs": station_tariffs.absorb_told,
    "SetDERControl": grid_support.absorb_set,
    "ClearDERControl": grid_support.absorb_cleared,
}

interpret = answers.interpret
