"""What every typed command is called in each family of versions, and what is stored by its example answer."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Told(NamedTuple):
    """The action by version (empty: it has none), and the models whose rows the answer changes."""

    v16: str
    v201: str
    v21: str
    changes: tuple[str, ...] = ()

    def action(self, version: str) -> str:
        return {"1.6": self.v16, "2.0.1": self.v201, "2.1": self.v21}[version]


def everywhere(action: str, *changes: str) -> Told:
    return Told(action, action, action, changes)


def since_201(action: str, *changes: str) -> Told:
    return Told("", action, action, changes)


def since_21(action: str, *changes: str) -> Told:
    return Told("", "", action, changes)


TOLD: Mapping[str, Told] = {
    "adjust_periodic_event_stream": since_21("AdjustPeriodicEventStream"),
    "afrr_signal": since_21("AFRRSignal"),
    "call": everywhere("ClearCache"),
    "change_availability": everywhere("ChangeAvailability"),
    "change_transaction_tariff": since_21("ChangeTransactionTariff", "StationTariff"),
    "clear_cache": everywhere("ClearCache"),
    "clear_charging_profile": everywhere("ClearChargingProfile"),
    "clear_der_control": since_21("ClearDERControl"),
    "clear_tariffs": since_21("ClearTariffs"),
    "clear_variable_monitoring": since_201("ClearVariableMonitoring"),
    "cost_updated": since_201("CostUpdated"),
    "customer_information": since_201("CustomerInformation", "Report"),
    "data_transfer": everywhere("DataTransfer", "DataTransfer"),
    "get_base_report": Told("GetConfiguration", "GetBaseReport", "GetBaseReport", ("Report",)),
    "get_charging_profiles": since_201("GetChargingProfiles"),
    "get_composite_schedule": everywhere("GetCompositeSchedule", "CompositeSchedule"),
    "get_der_control": since_21("GetDERControl"),
    "get_display_messages": since_201("GetDisplayMessages"),
    "get_installed_certificates": everywhere("GetInstalledCertificateIds", "InstalledCertificate"),
    "get_local_list_version": everywhere("GetLocalListVersion", "LocalList"),
    "get_log": everywhere("GetLog", "LogJob"),
    "get_monitoring_report": since_201("GetMonitoringReport", "Report"),
    "get_periodic_event_stream": since_21("GetPeriodicEventStream", "EventStream"),
    "get_report": since_201("GetReport", "Report"),
    "get_tariffs": since_21("GetTariffs", "StationTariff"),
    "get_transaction_status": since_201("GetTransactionStatus", "StatusAnswer"),
    "get_variables": Told("GetConfiguration", "GetVariables", "GetVariables", ("Variable", "VariableValue")),
    "notify_allowed_energy_transfer": since_21("NotifyAllowedEnergyTransfer", "ChargingPlan"),
    "notify_web_payment_started": since_21("NotifyWebPaymentStarted"),
    "publish_firmware": since_201("PublishFirmware", "FirmwareJob"),
    "renew_certificate": Told("ExtendedTriggerMessage", "TriggerMessage", "TriggerMessage"),
    "request_battery_swap": since_21("RequestBatterySwap"),
    "request_start_transaction": Told(
        "RemoteStartTransaction", "RequestStartTransaction", "RequestStartTransaction"
    ),
    "request_stop_transaction": Told(
        "RemoteStopTransaction", "RequestStopTransaction", "RequestStopTransaction"
    ),
    "reserve_now": everywhere("ReserveNow", "Reservation"),
    "reset": everywhere("Reset"),
    "send_local_list": everywhere("SendLocalList", "LocalList"),
    "set_charging_profile": everywhere("SetChargingProfile", "InstalledProfile"),
    "set_default_tariff": since_21("SetDefaultTariff", "StationTariff"),
    "set_der_control": since_21("SetDERControl", "DerControl"),
    "set_display_message": since_201("SetDisplayMessage", "DisplayMessage"),
    "set_monitoring_base": since_201("SetMonitoringBase", "MonitoringState"),
    "set_monitoring_level": since_201("SetMonitoringLevel", "MonitoringState"),
    "set_variable_monitoring": since_201("SetVariableMonitoring", "Monitor"),
    "set_variables": Told("ChangeConfiguration", "", "", ("Variable", "VariableValue")),
    "trigger_message": everywhere("TriggerMessage"),
    "unlock_connector": everywhere("UnlockConnector"),
    "unpublish_firmware": since_201("UnpublishFirmware"),
    "update_firmware": everywhere("UpdateFirmware", "FirmwareJob"),
    "use_priority_charging": since_21("UsePriorityCharging"),
}

ELSEWHERE: Mapping[str, str] = {
    "cancel_reservation": "needs a reservation that the station took: test_reservations.py",
    "certificate_signed": "needs a request of the station: test_certificates.py",
    "clear_display_message": "needs a message that the station shows: test_displays.py",
    "delete_certificate": "needs a certificate that the station named: test_certificates.py",
    "install_certificate": "its example is no real certificate: test_certificates.py",
    "rotate_password": "the answer has to name the very variable: test_certificates.py",
    "set_network_profile": "needs to know the slots in use: test_network_profiles.py",
    "update_dynamic_schedule": "needs a dynamic profile: test_smart_charging.py",
}
"""Commands whose example means nothing by itself."""

ANSWERS: Mapping[str, Mapping[str, Any]] = {"unpublish_firmware": {"status": "Unpublished"}}
"""Where the first word of the schema is a refusal."""
