"""OCPP 1.6J as a station speaks it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from portal.simulator import commands, configuration, local_list, reservations, security
from portal.simulator.actions import ACTIONS_16
from portal.simulator.dialect import Cause, Message
from portal.simulator.journal import Json
from portal.simulator.outlet import Outlet, OutletState, Reading, StopReason, Transaction
from portal.simulator.settings import SUBPROTOCOLS
from portal.simulator.transport import CommandRefused, Reply

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

REASONS: Mapping[StopReason, str] = {
    StopReason.LOCAL: "Local",
    StopReason.REMOTE: "Remote",
    StopReason.EV_FULL: "Other",
    StopReason.EV_LEFT: "EVDisconnected",
    StopReason.EMERGENCY_STOP: "EmergencyStop",
    StopReason.POWER_LOSS: "PowerLoss",
    StopReason.RESET: "SoftReset",
    StopReason.FORCED_RESET: "HardReset",
    StopReason.REFUSED: "DeAuthorized",
    StopReason.UNLOCKED: "UnlockCommand",
    StopReason.FAULT: "Other",
}
UNKNOWN_TRANSACTION = -1


class Dialect16:
    """Messages and commands of 1.6."""

    version = "1.6"
    subprotocol = SUBPROTOCOLS["1.6"]

    def boot(self, station: "SimulatedStation", reason: str) -> Json:
        hardware = station.hardware
        return {
            "chargePointVendor": hardware.vendor,
            "chargePointModel": hardware.model,
            "chargePointSerialNumber": station.serial_number,
            "firmwareVersion": hardware.firmware,
            "meterType": f"{hardware.vendor} EM-3",
        }

    def authorize(self, token: str) -> Json:
        return {"idTag": token}

    def authorized(self, answer: Json) -> bool:
        return bool(answer.get("idTagInfo", {}).get("status") == "Accepted")

    def status_word(self, state: OutletState) -> str:
        return state.value

    def status(self, station: "SimulatedStation", outlet: Outlet) -> Message:
        return "StatusNotification", {
            "connectorId": outlet.number,
            "status": self.status_word(outlet.state),
            "errorCode": outlet.fault or "NoError",
            "timestamp": station.stamp(station.clock.now()),
        }

    def meter_values(self, station: "SimulatedStation", outlet: Outlet, reading: Reading) -> Message:
        payload: Json = {
            "connectorId": outlet.number,
            "meterValue": [_meter_value(station, reading, "Trigger")],
        }
        if outlet.transaction is not None and isinstance(outlet.transaction.id, int):
            payload["transactionId"] = outlet.transaction.id
        return "MeterValues", payload

    def started(
        self, station: "SimulatedStation", transaction: Transaction, reading: Reading
    ) -> Awaitable[object]:
        payload: Json = {
            "connectorId": transaction.outlet.number,
            "idTag": transaction.token,
            "meterStart": reading.energy_wh,
            "timestamp": station.stamp(reading.at),
        }
        if transaction.reservation_id is not None:
            payload["reservationId"] = transaction.reservation_id

        def answered(answer: Json) -> None:
            transaction.id = answer.get("transactionId")
            transaction.accepted = self.authorized(answer)

        return station.enqueue("StartTransaction", lambda: payload, answered)

    def updated(
        self, station: "SimulatedStation", transaction: Transaction, reading: Reading, cause: Cause
    ) -> Awaitable[object]:
        if cause not in {Cause.PERIODIC, Cause.REQUESTED}:
            return asyncio.sleep(0)
        context = "Sample.Periodic" if cause is Cause.PERIODIC else "Trigger"
        sample = _meter_value(station, reading, context)
        return station.enqueue(
            "MeterValues",
            lambda: {
                "connectorId": transaction.outlet.number,
                "transactionId": _id(transaction),
                "meterValue": [sample],
            },
            _ignore,
            may_wait=True,
        )

    def ended(
        self, station: "SimulatedStation", transaction: Transaction, reading: Reading
    ) -> Awaitable[object]:
        assert transaction.stop_reason is not None
        payload: Json = {
            "meterStop": reading.energy_wh,
            "timestamp": station.stamp(reading.at),
            "reason": REASONS[transaction.stop_reason],
            "transactionData": [
                _meter_value(station, transaction.begin or reading, "Transaction.Begin"),
                _meter_value(station, reading, "Transaction.End"),
            ],
        }
        if transaction.stop_reason is StopReason.LOCAL:
            payload["idTag"] = transaction.token
        return station.enqueue(
            "StopTransaction", lambda: {"transactionId": _id(transaction), **payload}, _ignore
        )

    def answer(self, station: "SimulatedStation", action: str, payload: Json) -> Reply:
        handler = COMMANDS.get(action)
        if handler is not None:
            return handler(station, payload)
        raise CommandRefused("NotSupported" if action in ACTIONS_16 else "NotImplemented")


def _id(transaction: Transaction) -> int:
    return transaction.id if isinstance(transaction.id, int) else UNKNOWN_TRANSACTION


def _ignore(_: Json) -> None:
    return None


def _meter_value(station: "SimulatedStation", reading: Reading, context: str) -> Json:
    samples = [
        _sample(reading.energy_wh, "Energy.Active.Import.Register", "Wh"),
        _sample(reading.power_w, "Power.Active.Import", "W"),
        _sample(reading.offered_w, "Power.Offered", "W"),
        _sample(reading.temperature_c, "Temperature", "Celsius", location="Body"),
    ]
    for place, (current, volts) in enumerate(zip(reading.current_a, reading.voltage_v, strict=True)):
        phase = reading.phases[place] if reading.phases else ""
        samples.append(_sample(current, "Current.Import", "A", phase=phase))
        samples.append(_sample(volts, "Voltage", "V", phase=phase and f"{phase}-N"))
    if reading.soc_percent is not None:
        samples.append(_sample(reading.soc_percent, "SoC", "Percent", location="EV"))
    for sample in samples:
        sample["context"] = context
    return {"timestamp": station.stamp(reading.at), "sampledValue": samples}


def _sample(value: float, measurand: str, unit: str, *, phase: str = "", location: str = "Outlet") -> Json:
    sample: Json = {"value": str(value), "measurand": measurand, "unit": unit, "location": location}
    if phase:
        sample["phase"] = phase
    return sample


def _reset(station: "SimulatedStation", payload: Json) -> Reply:
    forced = payload["type"] == "Hard"
    return commands.status("Accepted", lambda: station.reboot(forced=forced))


def _unlock(station: "SimulatedStation", payload: Json) -> Reply:
    outlet = commands.find_outlet(station, payload["connectorId"])
    return commands.unlock(station, outlet) if outlet else commands.status("NotSupported")


def _clear_profile(station: "SimulatedStation", payload: Json) -> Reply:
    return commands.clear_profiles(
        station,
        payload.get("id"),
        payload.get("connectorId"),
        payload.get("chargingProfilePurpose"),
        payload.get("stackLevel"),
    )


def _composite(station: "SimulatedStation", payload: Json) -> Reply:
    outlet = commands.find_outlet(station, payload["connectorId"] or 1)
    if outlet is None:
        return commands.status("Rejected")
    unit = payload.get("chargingRateUnit", "W")
    start = station.stamp(station.clock.now())
    return Reply(
        {
            "status": "Accepted",
            "connectorId": payload["connectorId"],
            "scheduleStart": start,
            "chargingSchedule": {
                "duration": payload["duration"],
                "startSchedule": start,
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": commands.composite_schedule(
                    station, outlet, payload["duration"], unit
                ),
            },
        }
    )


def _data_transfer(station: "SimulatedStation", payload: Json) -> Reply:
    if payload["vendorId"] != station.hardware.vendor:
        return commands.status("UnknownVendorId")
    return Reply({"status": "Accepted", "data": str(payload.get("data", ""))})


def _trigger(station: "SimulatedStation", payload: Json) -> Reply:
    wanted = payload["requestedMessage"]
    return security.trigger(station, wanted) or commands.trigger(station, wanted, payload.get("connectorId"))


def _update_firmware(station: "SimulatedStation", payload: Json) -> Reply:
    """Answered with nothing; its states have no request id."""
    reply = security.update(station, "FirmwareStatusNotification", payload["location"], None)
    return Reply({}, reply.afterwards)


def _installed(station: "SimulatedStation", payload: Json) -> Reply:
    found = [named for _, named in security.installed(station, [payload["certificateType"]])]
    if not found:
        return commands.status("NotFound")
    return Reply({"status": "Accepted", "certificateHashData": found})


Command = Callable[["SimulatedStation", Json], Reply]
COMMANDS: Mapping[str, Command] = {
    "RemoteStartTransaction": lambda station, sent: commands.remote_start(
        station, sent.get("connectorId"), sent["idTag"], profile=sent.get("chargingProfile")
    ),
    "RemoteStopTransaction": lambda station, sent: commands.remote_stop(station, sent["transactionId"]),
    "Reset": _reset,
    "UnlockConnector": _unlock,
    "ChangeAvailability": lambda station, sent: commands.change_availability(
        station, sent["connectorId"], operative=sent["type"] == "Operative"
    ),
    "TriggerMessage": _trigger,
    "ExtendedTriggerMessage": _trigger,
    "UpdateFirmware": _update_firmware,
    "SignedUpdateFirmware": lambda station, sent: security.update(
        station, "SignedFirmwareStatusNotification", sent["firmware"]["location"], sent["requestId"]
    ),
    "GetDiagnostics": lambda station, sent: security.upload(
        station, "DiagnosticsStatusNotification", sent["location"], None, failed="UploadFailed"
    ),
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
    "GetConfiguration": lambda station, sent: Reply(configuration.read(station, sent.get("key") or [])),
    "ChangeConfiguration": lambda station, sent: commands.status(
        configuration.change(station, sent["key"], sent["value"])
    ),
    "CancelReservation": lambda station, sent: reservations.cancel(station, sent["reservationId"]),
    "ReserveNow": lambda station, sent: reservations.reserve(
        station, sent["reservationId"], sent["connectorId"], sent["idTag"], sent["expiryDate"]
    ),
    "ClearCache": lambda station, sent: commands.status("Accepted"),
    "DataTransfer": _data_transfer,
    "GetLocalListVersion": local_list.get_version_16,
    "SendLocalList": local_list.send_16,
    "SetChargingProfile": lambda station, sent: commands.set_profile(
        station, sent["connectorId"], sent["csChargingProfiles"]
    ),
    "ClearChargingProfile": _clear_profile,
    "GetCompositeSchedule": _composite,
}
DIALECT_16 = Dialect16()
