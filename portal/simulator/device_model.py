"""The device model of 2.x: components and variables, read, written and reported."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portal.simulator.configuration import LIVE
from portal.simulator.journal import Json

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

READ_ONLY, READ_WRITE, WRITE_ONLY = "ReadOnly", "ReadWrite", "WriteOnly"
LIVE_VARIABLES: Mapping[tuple[str, str], str] = {
    ("OCPPCommCtrlr", "HeartbeatInterval"): "HeartbeatInterval",
    ("SampledDataCtrlr", "TxUpdatedInterval"): "MeterValueSampleInterval",
    ("OCPPCommCtrlr", "MessageAttempts"): "TransactionMessageAttempts",
    ("OCPPCommCtrlr", "MessageAttemptInterval"): "TransactionMessageRetryInterval",
}
FIXED: tuple[tuple[str, str, str, str, str], ...] = (
    ("AlignedDataCtrlr", "Interval", "0", READ_WRITE, "integer"),
    ("AuthCtrlr", "AuthorizeRemoteStart", "false", READ_WRITE, "boolean"),
    ("AuthCtrlr", "LocalAuthorizeOffline", "true", READ_WRITE, "boolean"),
    ("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true", READ_WRITE, "boolean"),
    ("ClockCtrlr", "TimeSource", "Heartbeat", READ_WRITE, "SequenceList"),
    ("DeviceDataCtrlr", "ItemsPerMessageGetVariables", "50", READ_ONLY, "integer"),
    ("DeviceDataCtrlr", "ItemsPerMessageSetVariables", "20", READ_ONLY, "integer"),
    ("LocalAuthListCtrlr", "BytesPerMessage", "32768", READ_ONLY, "integer"),
    ("LocalAuthListCtrlr", "Enabled", "true", READ_WRITE, "boolean"),
    ("LocalAuthListCtrlr", "ItemsPerMessage", "100", READ_ONLY, "integer"),
    ("OCPPCommCtrlr", "NetworkConfigurationPriority", "1", READ_WRITE, "SequenceList"),
    ("OCPPCommCtrlr", "OfflineThreshold", "600", READ_WRITE, "integer"),
    ("OCPPCommCtrlr", "ResetRetries", "1", READ_WRITE, "integer"),
    ("OCPPCommCtrlr", "WebSocketPingInterval", "0", READ_WRITE, "integer"),
    ("SecurityCtrlr", "OrganizationName", "Demo", READ_WRITE, "string"),
    ("SecurityCtrlr", "SecurityProfile", "1", READ_ONLY, "integer"),
    ("SmartChargingCtrlr", "Enabled", "true", READ_WRITE, "boolean"),
    ("SmartChargingCtrlr", "PeriodsPerSchedule", "24", READ_ONLY, "integer"),
    ("SmartChargingCtrlr", "ProfileStackLevel", "10", READ_ONLY, "integer"),
    ("SmartChargingCtrlr", "RateUnit", "A,W", READ_ONLY, "MemberList"),
    ("TxCtrlr", "EVConnectionTimeOut", "60", READ_WRITE, "integer"),
    ("TxCtrlr", "StopTxOnInvalidId", "true", READ_WRITE, "boolean"),
    ("TxCtrlr", "TxStartPoint", "PowerPathClosed", READ_WRITE, "MemberList"),
    ("TxCtrlr", "TxStopPoint", "Authorized,EVConnected", READ_WRITE, "MemberList"),
)
PASSWORD = ("SecurityCtrlr", "BasicAuthPassword")
LEAST_PASSWORD = 16


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable with its actual value; ``evse`` and ``connector`` None means the station."""

    component: str
    name: str
    value: str
    mutability: str = READ_ONLY
    data_type: str = "string"
    evse: int | None = None
    connector: int | None = None

    def reported(self) -> Json:
        attribute: Json = {"type": "Actual", "mutability": self.mutability}
        if self.mutability != WRITE_ONLY:
            attribute["value"] = self.value
        return {
            "component": self.place(),
            "variable": {"name": self.name},
            "variableAttribute": [attribute],
            "variableCharacteristics": {"dataType": self.data_type, "supportsMonitoring": False},
        }

    def place(self) -> Json:
        component: Json = {"name": self.component}
        if self.evse is not None:
            component["evse"] = {"id": self.evse}
            if self.connector is not None:
                component["evse"]["connectorId"] = self.connector
        return component


def variables(station: "SimulatedStation") -> Iterator[Variable]:
    """All of them, made when somebody asks: a thousand stations do not keep a thousand copies."""
    yield from _identity(station)
    for component, name, default, mutability, data_type in FIXED:
        value = station.settings.get(f"{component}.{name}", default)
        yield Variable(component, name, value, mutability, data_type)
    for (component, name), key in LIVE_VARIABLES.items():
        yield Variable(component, name, str(LIVE[key][0](station)), READ_WRITE, "integer")
    yield Variable(*PASSWORD, "", WRITE_ONLY)
    for outlet in station.outlets:
        evse = outlet.number
        state = station.dialect.status_word(outlet.state)
        yield Variable("EVSE", "AvailabilityState", state, evse=evse, data_type="OptionList")
        yield Variable("EVSE", "Power", str(outlet.rated_w), evse=evse, data_type="decimal")
        yield Variable("EVSE", "SupplyPhases", str(outlet.phases), evse=evse, data_type="integer")
        yield Variable("Connector", "ConnectorType", _plug(outlet.kind), evse=evse, connector=1)


def get(station: "SimulatedStation", wanted: Json) -> Json:
    """One item of GetVariables."""
    found, status = _find(station, wanted)
    attribute = wanted.get("attributeType", "Actual")
    if found is not None and attribute != "Actual":
        status = "NotSupportedAttributeType"
    elif found is not None and found.mutability == WRITE_ONLY:
        status = "Rejected"
    answer: Json = {
        "attributeStatus": status,
        "attributeType": attribute,
        "component": wanted["component"],
        "variable": wanted["variable"],
    }
    if found is not None and status == "Accepted":
        answer["attributeValue"] = found.value
    return answer


def change(station: "SimulatedStation", wanted: Json) -> Json:
    """One item of SetVariables."""
    found, status = _find(station, wanted)
    if found is not None:
        status = _write(station, found, wanted["attributeValue"])
    return {
        "attributeStatus": status,
        "attributeType": wanted.get("attributeType", "Actual"),
        "component": wanted["component"],
        "variable": wanted["variable"],
    }


def report_parts(station: "SimulatedStation", request_id: int, base: str) -> list[Json]:
    """NotifyReport payloads; ``tbc`` on all but the last."""
    chosen = [
        one.reported()
        for one in variables(station)
        if base == "FullInventory" or (base == "ConfigurationInventory") == (one.mutability != READ_ONLY)
    ]
    size = station.habits.report_part
    starts = range(0, len(chosen), size)
    return [
        {
            "requestId": request_id,
            "generatedAt": station.stamp(station.clock.now()),
            "seqNo": number,
            "tbc": number < len(starts) - 1,
            "reportData": chosen[start : start + size],
        }
        for number, start in enumerate(starts)
    ]


def _identity(station: "SimulatedStation") -> Iterator[Variable]:
    hardware = station.hardware
    yield Variable("ChargingStation", "VendorName", hardware.vendor)
    yield Variable("ChargingStation", "Model", hardware.model)
    yield Variable("ChargingStation", "SerialNumber", station.serial_number)
    yield Variable("ChargingStation", "FirmwareVersion", hardware.firmware)


def _find(station: "SimulatedStation", wanted: Json) -> tuple[Variable | None, str]:
    component, name = wanted["component"], wanted["variable"]["name"]
    evse = component.get("evse", {}).get("id")
    here = [one for one in variables(station) if one.component == component["name"] and one.evse == evse]
    if not here:
        return None, "UnknownComponent"
    found = next((one for one in here if one.name == name), None)
    return found, "Accepted" if found else "UnknownVariable"


def _write(station: "SimulatedStation", found: Variable, value: str) -> str:
    place = (found.component, found.name)
    if found.mutability == READ_ONLY or (found.data_type == "integer" and not value.isdigit()):
        return "Rejected"
    if place == PASSWORD:
        if len(value) < LEAST_PASSWORD:
            return "Rejected"
        station.endpoint.password = value.encode()
    elif place in LIVE_VARIABLES:
        LIVE[LIVE_VARIABLES[place]][1](station, int(value))
    else:
        station.settings[f"{found.component}.{found.name}"] = value
    return "Accepted"


def _plug(kind: str) -> str:
    return "cCCS2" if kind == "DC" else "sType2"
