"""What stations' answers to our CALLs mean, and what of them is kept."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from stations.domain.events import VariableReported
from stations.domain.words import Capability, CommandStatus
from stations.ocpp.context import Json, Socket
from stations.ocpp.v16 import fields, passwords
from stations.ocpp.v16.outbound import BASE_REPORT
from stations.services import availability, device_model, learning, reports, variable_changes
from stations.services.device_model import Written

GOOD = frozenset({"Accepted", "AcceptedCanceled", "RebootRequired", "Scheduled", "Unlocked"})
ALSO_GOOD: Mapping[str, frozenset[str]] = {
    "ClearChargingProfile": frozenset({"Unknown"}),
    "GetInstalledCertificateIds": frozenset({"NotFound"}),
}
"""What means that nothing was there to be done or to be told."""

FEATURE_PROFILES = "supportedfeatureprofiles"
PROFILES: Mapping[str, Capability] = {
    "FirmwareManagement": Capability.FIRMWARE,
    "LocalAuthListManagement": Capability.LOCAL_LIST,
    "RemoteTrigger": Capability.REMOTE_TRIGGER,
    "Reservation": Capability.RESERVATION,
    "SmartCharging": Capability.SMART_CHARGING,
}
WRITTEN: Mapping[str, Written] = {"Accepted": Written.NOW, "RebootRequired": Written.AFTER_RESTART}


def interpret(action: str, response: Json) -> str:
    """How the command ended; an answer without a status has done what was asked."""
    good = "status" not in response or response["status"] in GOOD | ALSO_GOOD.get(action, frozenset())
    return (CommandStatus.ACCEPTED if good else CommandStatus.REJECTED).value


def absorb_configuration(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """Configuration keys become the station's variables (P214)."""
    variables = list(_variables(response))
    device_model.store(socket, variables, at)
    _learn_profiles(socket, variables, at)
    if not request.get("key") and (request_id := socket.memory.pop(BASE_REPORT, None)):
        reports.arrived_at_once(socket, request_id, "Configuration", len(variables), at)


def absorb_change(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """A value that the station took; one that needs a restart is shown as pending (P216)."""
    key, status = str(request.get("key", "")), str(response.get("status", ""))
    if status in WRITTEN:
        variable = VariableReported(component="", variable=key, value=str(request.get("value", "")))
        device_model.write(socket, [(variable, WRITTEN[status])], at)
        variable_changes.taken(socket, [variable])
    else:
        variable_changes.refused(socket, [(VariableReported(component="", variable=key, value=""), status)])
    passwords.conclude(socket, key, status)


def absorb_availability(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """A station that is as wished already reports no new state."""
    if response.get("status") == "Accepted":
        availability.settle_if_so(socket, request.get("connectorId") or None)


def _learn_profiles(socket: Socket, variables: Iterable[VariableReported], at: datetime) -> None:
    """SupportedFeatureProfiles, which is only a hint (P215)."""
    told = next((item.value for item in variables if item.variable.lower() == FEATURE_PROFILES), None)
    if told is None:
        return
    named = {word.strip().lower() for word in told.split(",")}
    learning.from_profiles(
        socket.station_id,
        {capability: (word.lower() in named, told) for word, capability in PROFILES.items()},
        at,
    )


def _variables(response: Json) -> Iterator[VariableReported]:
    for entry in response.get("configurationKey") or ():
        value = entry.get("value")
        yield VariableReported(
            component="",
            variable=fields.text(entry, "key"),
            value=None if value is None else str(value),
            mutability="ReadOnly" if entry.get("readonly") else "ReadWrite",
        )
