"""OCPP 2.0.1 as a station speaks it, and 2.1 as a small difference to it."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from portal.simulator import (
    commands,
    device_model,
    displays,
    local_list,
    monitoring,
    reservations,
    security,
    smart_charging,
)
from portal.simulator.actions import ACTIONS_21, ACTIONS_201
from portal.simulator.dialect import Cause, Message
from portal.simulator.journal import Json
from portal.simulator.outlet import Outlet, OutletState, Reading, StopReason, Transaction
from portal.simulator.settings import SUBPROTOCOLS
from portal.simulator.transport import CommandRefused, Reply

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

STATUS_WORDS: Mapping[OutletState, str] = {
    OutletState.AVAILABLE: "Available",
    OutletState.RESERVED: "Reserved",
    OutletState.UNAVAILABLE: "Unavailable",
    OutletState.FAULTED: "Faulted",
}
CHARGING_STATES: Mapping[OutletState, str] = {
    OutletState.CHARGING: "Charging",
    OutletState.SUSPENDED_EV: "SuspendedEV",
    OutletState.SUSPENDED_EVSE: "SuspendedEVSE",
    OutletState.PREPARING: "EVConnected",
}
REASONS: Mapping[StopReason, tuple[str, str]] = {
    StopReason.LOCAL: ("Local", "StopAuthorized"),
    StopReason.REMOTE: ("Remote", "RemoteStop"),
    StopReason.EV_FULL: ("StoppedByEV", "ChargingStateChanged"),
    StopReason.EV_LEFT: ("EVDisconnected", "EVCommunicationLost"),
    StopReason.EMERGENCY_STOP: ("EmergencyStop", "AbnormalCondition"),
    StopReason.POWER_LOSS: ("PowerLoss", "AbnormalCondition"),
    StopReason.RESET: ("Reboot", "ResetCommand"),
    StopReason.FORCED_RESET: ("ImmediateReset", "ResetCommand"),
    StopReason.REFUSED: ("DeAuthorized", "Deauthorized"),
    StopReason.UNLOCKED: ("Other", "UnlockCommand"),
    StopReason.FAULT: ("GroundFault", "AbnormalCondition"),
}
TOKEN_TYPE = "ISO14443"


class Dialect2x:
    """Messages and commands of 2.0.1 and 2.1."""

    def __init__(self, version: str, known_actions: frozenset[str], *, status_by_event: bool) -> None:
        self.version = version
        self.subprotocol = SUBPROTOCOLS[version]
        self._known_actions = known_actions
        self._status_by_event = status_by_event

    def boot(self, station: "SimulatedStation", reason: str) -> Json:
        hardware = station.hardware
        return {
            "reason": reason,
            "chargingStation": {
                "vendorName": hardware.vendor,
                "model": hardware.model,
                "serialNumber": station.serial_number,
                "firmwareVersion": hardware.firmware,
            },
        }

    def authorize(self, token: str) -> Json:
        return {"idToken": _token(token)}

    def authorized(self, answer: Json) -> bool:
        return bool(answer.get("idTokenInfo", {}).get("status") == "Accepted")

    def status_word(self, state: OutletState) -> str:
        return STATUS_WORDS.get(state, "Occupied")

    def status(self, station: "SimulatedStation", outlet: Outlet) -> Message:
        by_event = station.habits.status_by_event
        now = station.stamp(station.clock.now())
        word = self.status_word(outlet.state)
        if self._status_by_event if by_event is None else by_event:
            return "NotifyEvent", _availability_event(station, outlet, word, now)
        return "StatusNotification", {
            "timestamp": now,
            "connectorStatus": word,
            "evseId": outlet.number,
            "connectorId": 1,
        }

    def meter_values(self, station: "SimulatedStation", outlet: Outlet, reading: Reading) -> Message:
        value = _meter_value(station, reading, "Trigger")
        return "MeterValues", {"evseId": outlet.number, "meterValue": [value]}

    def started(
        self, station: "SimulatedStation", transaction: Transaction, reading: Reading
    ) -> Awaitable[object]:
        transaction.id = str(uuid.uuid4())
        cause = _start_cause(transaction)
        payload = self._event(station, transaction, "Started", cause, reading, "Transaction.Begin")
        payload["evse"] = {"id": transaction.outlet.number, "connectorId": 1}
        payload["transactionInfo"]["chargingState"] = "EVConnected"
        if transaction.remote_start_id is not None:
            payload["transactionInfo"]["remoteStartId"] = transaction.remote_start_id
        if transaction.reservation_id is not None:
            payload["reservationId"] = transaction.reservation_id
        return self._say_token(station, transaction, payload)

    def updated(
        self, station: "SimulatedStation", transaction: Transaction, reading: Reading, cause: Cause
    ) -> Awaitable[object]:
        context = "Trigger" if cause is Cause.REQUESTED else "Sample.Periodic"
        payload = self._event(station, transaction, "Updated", cause.value, reading, context)
        payload["transactionInfo"]["chargingState"] = CHARGING_STATES.get(transaction.outlet.state, "Idle")
        if cause is Cause.AUTHORIZED:
            return self._say_token(station, transaction, payload)
        return station.enqueue("TransactionEvent", lambda: payload, _ignore, may_wait=True)

    def ended(
        self, station: "SimulatedStation", transaction: Transaction, reading: Reading
    ) -> Awaitable[object]:
        assert transaction.stop_reason is not None
        reason, cause = REASONS[transaction.stop_reason]
        payload = self._event(station, transaction, "Ended", cause, reading, "Transaction.End")
        payload["transactionInfo"]["stoppedReason"] = reason
        if transaction.stop_reason is StopReason.LOCAL and transaction.token:
            payload["idToken"] = _token(transaction.token)
        return station.enqueue("TransactionEvent", lambda: payload, _ignore)

    def answer(self, station: "SimulatedStation", action: str, payload: Json) -> Reply:
        handler = COMMANDS.get(action)
        if handler is not None and action in self._known_actions:
            return handler(station, payload)
        raise CommandRefused("NotSupported" if action in self._known_actions else "NotImplemented")

    def _event(
        self,
        station: "SimulatedStation",
        transaction: Transaction,
        kind: str,
        cause: str,
        reading: Reading,
        context: str,
    ) -> Json:
        payload: Json = {
            "eventType": kind,
            "timestamp": station.stamp(reading.at),
            "triggerReason": cause,
            "seqNo": transaction.seq_no,
            "transactionInfo": {"transactionId": transaction.id},
            "meterValue": [_meter_value(station, reading, context)],
        }
        if not station.online:
            payload["offline"] = True
        transaction.seq_no += 1
        return payload

    def _say_token(
        self, station: "SimulatedStation", transaction: Transaction, payload: Json
    ) -> Awaitable[object]:
        if transaction.token:
            payload["idToken"] = _token(transaction.token)

        def answered(answer: Json) -> None:
            if "idTokenInfo" in answer:
                transaction.accepted = self.authorized(answer)

        return station.enqueue("TransactionEvent", lambda: payload, answered)


def _start_cause(transaction: Transaction) -> str:
    if not transaction.released:
        return "CablePluggedIn"
    return "Authorized" if transaction.remote_start_id is None else "RemoteStart"


def _token(token: str) -> Json:
    return {"idToken": token, "type": TOKEN_TYPE}


def _ignore(_: Json) -> None:
    return None


def _availability_event(station: "SimulatedStation", outlet: Outlet, word: str, now: str) -> Json:
    station.event_number += 1
    return {
        "generatedAt": now,
        "seqNo": 0,
        "eventData": [
            {
                "eventId": station.event_number,
                "timestamp": now,
                "trigger": "Delta",
                "actualValue": word,
                "eventNotificationType": "HardWiredNotification",
                "component": {"name": "Connector", "evse": {"id": outlet.number, "connectorId": 1}},
                "variable": {"name": "AvailabilityState"},
                **({"techCode": outlet.fault} if outlet.fault else {}),
            }
        ],
    }


def sampled_values(reading: Reading, context: str) -> list[Json]:
    """A reading as the sampled values of one meter value."""
    samples = [
        _sample(reading.energy_wh, "Energy.Active.Import.Register", "Wh"),
        _sample(reading.power_w, "Power.Active.Import", "W"),
        _sample(reading.offered_w, "Power.Offered", "W"),
    ]
    for place, (current, volts) in enumerate(zip(reading.current_a, reading.voltage_v, strict=True)):
        phase = reading.phases[place] if reading.phases else ""
        samples.append(_sample(current, "Current.Import", "A", phase=phase))
        samples.append(_sample(volts, "Voltage", "V", phase=phase and f"{phase}-N"))
    if reading.soc_percent is not None:
        samples.append(_sample(reading.soc_percent, "SoC", "Percent", location="EV"))
    for sample in samples:
        sample["context"] = context
    return samples


def _meter_value(station: "SimulatedStation", reading: Reading, context: str) -> Json:
    return {"timestamp": station.stamp(reading.at), "sampledValue": sampled_values(reading, context)}


def _sample(value: float, measurand: str, unit: str, *, phase: str = "", location: str = "Outlet") -> Json:
    sample: Json = {
        "value": value,
        "measurand": measurand,
        "location": location,
        "unitOfMeasure": {"unit": unit},
    }
    if phase:
        sample["phase"] = phase
    return sample


def _request_start(station: "SimulatedStation", payload: Json) -> Reply:
    return commands.remote_start(
        station,
        payload.get("evseId"),
        payload["idToken"]["idToken"],
        remote_start_id=payload["remoteStartId"],
        profile=payload.get("chargingProfile"),
    )


def _reset(station: "SimulatedStation", payload: Json) -> Reply:
    forced = payload["type"] == "Immediate"
    if forced or not station.transactions():
        return commands.status("Accepted", lambda: station.reboot(forced=forced))
    station.reset_scheduled = True
    return commands.status("Scheduled")


def _unlock(station: "SimulatedStation", payload: Json) -> Reply:
    outlet = commands.find_outlet(station, payload["evseId"])
    if outlet is None or payload["connectorId"] != 1:
        return commands.status("UnknownConnector")
    if outlet.transaction is not None:
        return commands.status("OngoingAuthorizedTransaction")
    return commands.unlock(station, outlet)


def _clear_profile(station: "SimulatedStation", payload: Json) -> Reply:
    criteria = payload.get("chargingProfileCriteria", {})
    return commands.clear_profiles(
        station,
        payload.get("chargingProfileId"),
        criteria.get("evseId"),
        criteria.get("chargingProfilePurpose"),
        criteria.get("stackLevel"),
    )


def _composite(station: "SimulatedStation", payload: Json) -> Reply:
    outlet = commands.find_outlet(station, payload["evseId"] or 1)
    if outlet is None:
        return commands.status("Rejected")
    unit = payload.get("chargingRateUnit", "W")
    schedule = {
        "evseId": payload["evseId"],
        "duration": payload["duration"],
        "scheduleStart": station.stamp(station.clock.now()),
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": commands.composite_schedule(station, outlet, payload["duration"], unit),
    }
    return Reply({"status": "Accepted", "schedule": schedule})


def _base_report(station: "SimulatedStation", payload: Json) -> Reply:
    parts = device_model.report_parts(station, payload["requestId"], payload["reportBase"])

    async def send() -> None:
        for part in parts:
            await station.call("NotifyReport", part)

    return commands.status("Accepted", send)


def _transaction_status(station: "SimulatedStation", payload: Json) -> Reply:
    answer: Json = {"messagesInQueue": len(station.queue) > 0}
    if "transactionId" in payload:
        running = commands.find_transaction(station, payload["transactionId"])
        answer["ongoingIndicator"] = running is not None
    return Reply(answer)


def _data_transfer(station: "SimulatedStation", payload: Json) -> Reply:
    if payload["vendorId"] != station.hardware.vendor:
        return commands.status("UnknownVendorId")
    return Reply({"status": "Accepted", **({"data": payload["data"]} if "data" in payload else {})})


def _installed(station: "SimulatedStation", payload: Json) -> Reply:
    found = security.installed(station, payload.get("certificateType", []))
    if not found:
        return commands.status("NotFound")
    entries = [{"certificateType": kind, "certificateHashData": named} for kind, named in found]
    return Reply({"status": "Accepted", "certificateHashDataChain": entries})


Command = Callable[["SimulatedStation", Json], Reply]
COMMANDS: Mapping[str, Command] = {
    "RequestStartTransaction": _request_start,
    "RequestStopTransaction": lambda station, sent: commands.remote_stop(station, sent["transactionId"]),
    "Reset": _reset,
    "UnlockConnector": _unlock,
    "ChangeAvailability": lambda station, sent: commands.change_availability(
        station, sent.get("evse", {}).get("id", 0), operative=sent["operationalStatus"] == "Operative"
    ),
    "TriggerMessage": lambda station, sent: (
        security.trigger(station, sent["requestedMessage"])
        or commands.trigger(station, sent["requestedMessage"], sent.get("evse", {}).get("id"))
    ),
    "UpdateFirmware": lambda station, sent: security.update(
        station, "FirmwareStatusNotification", sent["firmware"]["location"], sent["requestId"]
    ),
    "PublishFirmware": lambda station, sent: security.publish(station, sent["location"], sent["requestId"]),
    "UnpublishFirmware": lambda station, sent: commands.status("Unpublished"),
    "GetLog": lambda station, sent: security.upload(
        station,
        "LogStatusNotification",
        sent["log"]["remoteLocation"],
        sent["requestId"],
        failed="UploadFailure",
    ),
    "CertificateSigned": lambda station, sent: security.certificate_signed(station, sent["certificateChain"]),
    "InstallCertificate": lambda station, sent: security.install(
        station, sent["certificateType"], sent["certificate"]
    ),
    "DeleteCertificate": lambda station, sent: security.delete(station, sent["certificateHashData"]),
    "GetInstalledCertificateIds": _installed,
    "GetVariables": lambda station, sent: Reply(
        {"getVariableResult": [device_model.get(station, one) for one in sent["getVariableData"]]}
    ),
    "SetVariables": lambda station, sent: Reply(
        {"setVariableResult": [device_model.change(station, one) for one in sent["setVariableData"]]}
    ),
    "GetBaseReport": _base_report,
    "CancelReservation": lambda station, sent: reservations.cancel(station, sent["reservationId"]),
    "ReserveNow": lambda station, sent: reservations.reserve(
        station, sent["id"], sent.get("evseId"), sent["idToken"]["idToken"], sent["expiryDateTime"]
    ),
    "GetReport": monitoring.get_report,
    "SetVariableMonitoring": monitoring.set_monitors,
    "ClearVariableMonitoring": monitoring.clear_monitors,
    "GetMonitoringReport": monitoring.get_monitoring_report,
    "SetMonitoringBase": monitoring.set_base,
    "SetMonitoringLevel": monitoring.set_level,
    "CustomerInformation": monitoring.customer_information,
    "SetNetworkProfile": monitoring.set_network_profile,
    "SetDisplayMessage": lambda station, sent: displays.show(station, sent["message"]),
    "GetDisplayMessages": displays.report,
    "ClearDisplayMessage": lambda station, sent: displays.clear(station, sent["id"]),
    "CostUpdated": lambda station, sent: Reply({}),
    "SetDefaultTariff": lambda station, sent: displays.set_tariff(station, sent["evseId"], sent["tariff"]),
    "ChangeTransactionTariff": lambda station, sent: displays.change_tariff(station, sent["transactionId"]),
    "GetTariffs": lambda station, sent: displays.tell_tariffs(station, sent["evseId"]),
    "ClearTariffs": displays.clear_tariffs,
    "NotifyWebPaymentStarted": lambda station, sent: Reply({}),
    "ClearCache": lambda station, sent: commands.status("Accepted"),
    "DataTransfer": _data_transfer,
    "GetLocalListVersion": local_list.get_version_2x,
    "SendLocalList": local_list.send_2x,
    "SetChargingProfile": lambda station, sent: commands.set_profile(
        station, sent["evseId"], sent["chargingProfile"]
    ),
    "ClearChargingProfile": _clear_profile,
    "GetCompositeSchedule": _composite,
    "GetTransactionStatus": _transaction_status,
    **smart_charging.COMMANDS,
}
DIALECT_201 = Dialect2x("2.0.1", ACTIONS_201, status_by_event=False)
DIALECT_21 = Dialect2x("2.1", ACTIONS_21, status_by_event=True)
