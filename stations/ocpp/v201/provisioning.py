"""BootNotification and NotifyReport (2.0.1 B01 to B03, B07)."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from core import clock
from stations.domain import timestamps
from stations.domain.events import ReportPartReceived, StationBooted, VariableReported
from stations.domain.words import Capability, Registration, Version
from stations.ocpp.context import Json, Socket
from stations.ocpp.v201 import fields
from stations.services import device_model, provisioning

LACKS: Mapping[Version, frozenset[Capability]] = {
    Version.V201: frozenset(
        {
            Capability.BATTERY_SWAP,
            Capability.BIDIRECTIONAL,
            Capability.EVENT_STREAMS,
            Capability.GRID_SUPPORT,
            Capability.RESUME,
            Capability.TARIFF,
            Capability.WEB_PAYMENT,
        }
    ),
    Version.V21: frozenset(),
}
"""What a version has no words for."""

REGISTRATION: Mapping[Registration, str] = {
    Registration.ACCEPTED: "Accepted",
    Registration.PENDING: "Pending",
    Registration.REJECTED: "Rejected",
}


def boot(socket: Socket, payload: Json, received_at: datetime) -> Json:
    registered = provisioning.boot(
        socket,
        decode_boot(payload),
        version=socket.version.value,
        lacks=LACKS[socket.version],
        received_at=received_at,
    )
    socket.treat(registered.treatment)
    socket.registration = registered.registration
    socket.heartbeat_interval_s = registered.interval_s
    socket.ever_booted = True
    return {
        "currentTime": clock.to_wire(clock.now()),
        "interval": registered.interval_s,
        "status": REGISTRATION[registered.registration],
    }


def decode_boot(payload: Json) -> StationBooted:
    station = payload.get("chargingStation") or {}
    modem = station.get("modem") or {}
    return StationBooted(
        vendor=fields.text(station, "vendorName"),
        model=fields.text(station, "model"),
        serial_number=fields.text(station, "serialNumber"),
        firmware_version=fields.text(station, "firmwareVersion"),
        iccid=fields.text(modem, "iccid"),
        imsi=fields.text(modem, "imsi"),
        reason=fields.text(payload, "reason"),
    )


def notify_report(socket: Socket, payload: Json, received_at: datetime) -> Json:
    part = decode_report(socket, payload, received_at)
    device_model.store_part(socket, part, received_at)
    provisioning.measure_drift(socket.station_id, part.generated_at, received_at)
    return {}


def decode_report(socket: Socket, payload: Json, received_at: datetime) -> ReportPartReceived:
    generated = timestamps.stamp_or_receipt(
        payload.get("generatedAt"), received_at, lenient=socket.lenient, field="generatedAt"
    )
    return ReportPartReceived(
        request_id=fields.whole(payload["requestId"], "requestId", largest=fields.INT64_MAX),
        seq_no=fields.whole(payload["seqNo"], "seqNo"),
        to_be_continued=bool(payload.get("tbc", False)),
        generated_at=generated.occurred_at,
        variables=tuple(
            variable for data in payload.get("reportData") or () for variable in _variables(data)
        ),
    )


def _variables(data: Json) -> Iterator[VariableReported]:
    component, variable = data.get("component") or {}, data.get("variable") or {}
    described = data.get("variableCharacteristics") or {}
    evse_id, connector_id = fields.place(component, "component.evse")
    for attribute in data.get("variableAttribute") or ():
        yield VariableReported(
            component=fields.text(component, "name"),
            component_instance=fields.text(component, "instance"),
            evse_id=evse_id,
            connector_id=connector_id,
            variable=fields.text(variable, "name"),
            variable_instance=fields.text(variable, "instance"),
            attribute=fields.text(attribute, "type") or "Actual",
            value=attribute.get("value"),
            mutability=fields.text(attribute, "mutability") or "ReadWrite",
            data_type=fields.text(described, "dataType"),
            unit=fields.text(described, "unit"),
            constant=bool(attribute.get("constant", False)),
            min_limit=fields.decimal(described.get("minLimit")),
            max_limit=fields.decimal(described.get("maxLimit")),
            values_list=fields.text(described, "valuesList", 1000),
        )
