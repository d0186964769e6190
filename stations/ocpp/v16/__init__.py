"""OCPP 1.6J with its security extension at the door: what is served, what is said, and what answers mean."""

from collections.abc import Callable, Mapping
from datetime import datetime

from stations.domain import intents
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Decided, Direct, Outbound, Routes
from stations.ocpp.v16 import (
    answers,
    authorization,
    certificates,
    data_transfer,
    firmware,
    local_lists,
    outbound,
    provisioning,
    reports,
    reservations,
    smart_charging,
    transactions,
)

ROUTES: Routes = {
    "Authorize": Decided(authorization.authorize),
    "BootNotification": Decided(provisioning.boot),
    "DiagnosticsStatusNotification": Decided(firmware.diagnostics_status),
    "FirmwareStatusNotification": Decided(firmware.firmware_status),
    "DataTransfer": Decided(data_transfer.receive),
    "Heartbeat": Direct(provisioning.heartbeat),
    "LogStatusNotification": Decided(firmware.log_status),
    "MeterValues": transactions.METER_VALUES,
    "SecurityEventNotification": Decided(reports.security_event),
    "SignCertificate": Decided(certificates.sign_certificate),
    "SignedFirmwareStatusNotification": Decided(firmware.firmware_status),
    "StartTransaction": Decided(transactions.start_transaction),
    "StatusNotification": reports.STATUS,
    "StopTransaction": Decided(transactions.stop_transaction),
}

OUTBOUND: Outbound = {
    intents.RequestStartTransaction: outbound.request_start,
    intents.RequestStopTransaction: outbound.request_stop,
    intents.ResetStation: outbound.reset,
    intents.UnlockConnector: outbound.unlock_connector,
    intents.ChangeAvailability: outbound.change_availability,
    intents.TriggerMessage: outbound.trigger_message,
    intents.GetVariables: outbound.get_variables,
    intents.SetVariables: outbound.set_variables,
    intents.GetBaseReport: outbound.get_base_report,
    intents.ReserveNow: reservations.reserve_now,
    intents.CancelReservation: reservations.cancel_reservation,
    intents.ClearChargingProfile: smart_charging.clear_profiles,
    intents.GetCompositeSchedule: smart_charging.get_composite,
    intents.SetChargingProfile: smart_charging.set_profile,
    intents.DeleteCertificate: certificates.delete_certificate,
    intents.GetInstalledCertificates: certificates.get_installed,
    intents.GetLog: firmware.get_log,
    intents.InstallCertificate: certificates.install_certificate,
    intents.RenewCertificate: certificates.renew_certificate,
    intents.RotatePassword: certificates.rotate_password,
    intents.SendSignedCertificate: certificates.certificate_signed,
    intents.UpdateFirmware: firmware.update_firmware,
    intents.ClearCache: outbound.clear_cache,
    intents.SetDisplayMessage: data_transfer.display_text,
    intents.DataTransfer: data_transfer.send,
    intents.SendLocalList: local_lists.send,
    intents.GetLocalListVersion: local_lists.get_version,
    intents.Call: outbound.call,
}

OBJECTED: Mapping[str, Callable[[Socket, str, str, datetime], Callable[[], None] | None]] = {}
"""This version has no way to object to an answer."""

ABSORB: Mapping[str, Callable[[Socket, Json, Json, datetime], None]] = {
    "GetConfiguration": answers.absorb_configuration,
    "ChangeConfiguration": answers.absorb_change,
    "ChangeAvailability": answers.absorb_availability,
    "ClearChargingProfile": smart_charging.absorb_cleared,
    "GetCompositeSchedule": smart_charging.absorb_composite,
    "SetChargingProfile": smart_charging.absorb_set,
    "DeleteCertificate": certificates.absorb_delete,
    "GetDiagnostics": firmware.absorb_diagnostics,
    "GetInstalledCertificateIds": certificates.absorb_installed,
    "GetLog": firmware.absorb_log,
    "InstallCertificate": certificates.absorb_install,
    "SignedUpdateFirmware": firmware.absorb_signed_update,
    "UpdateFirmware": firmware.absorb_update,
    "SendLocalList": local_lists.absorb_sent,
    "GetLocalListVersion": local_lists.absorb_version,
}

interpret = answers.interpret
