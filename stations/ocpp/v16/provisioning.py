"""BootNotification and Heartbeat (1.6 sections 4.2 and 4.6)."""

from collections.abc import Mapping
from datetime import datetime

from core import clock
from stations.domain.events import StationBooted
from stations.domain.words import Capability, Registration
from stations.ocpp.context import Json, Socket
from stations.ocpp.v16 import fields
from stations.services import provisioning

LACKS = frozenset(
    {Capability.RESET_EVSE, Capability.DEVICE_MODEL, Capability.MONITORING, Capability.TRANSACTION_STATUS,
     Capability.DISPLAY, Capability.CUSTOMER_INFORMATION, Capability.NETWORK_PROFILE, Capability.EVENT_STREAMS,
     Capability.RESUME, Capability.TARIFF, Capability.ISO15118, Capability.GRID_SUPPORT,
     Capability.BIDIRECTIONAL, Capability.BATTERY_SWAP, Capability.WEB_PAYMENT}
)  # fmt: skip
"""What this version has no words for."""

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
        lacks=LACKS,
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
    return StationBooted(
        vendor=fields.text(payload, "chargePointVendor"),
        model=fields.text(payload, "chargePointModel"),
        serial_number=fields.text(payload, "chargePointSerialNumber")
        or fields.text(payload, "chargeBoxSerialNumber"),
        firmware_version=fields.text(payload, "firmwareVersion"),
        iccid=fields.text(payload, "iccid"),
        imsi=fields.text(payload, "imsi"),
        meter_type=fields.text(payload, "meterType"),
        meter_serial_number=fields.text(payload, "meterSerialNumber"),
    )


def heartbeat(socket: Socket, payload: Json, received_at: datetime) -> Json:
    return {"currentTime": clock.to_wire(clock.now())}
