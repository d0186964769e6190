"""The configuration keys of 1.6: what can be read, what can be changed, what needs a reboot."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from portal.simulator.journal import Json

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

READ_ONLY: Mapping[str, str] = {
    "SupportedFeatureProfiles": "Core,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
    "GetConfigurationMaxKeys": "50",
    "LocalAuthListMaxLength": "1000",
    "SendLocalListMaxLength": "100",
    "ChargeProfileMaxStackLevel": "10",
    "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
    "ChargingScheduleMaxPeriods": "24",
    "MaxChargingProfilesInstalled": "20",
    "ConnectorSwitch3to1PhaseSupported": "false",
}
CHANGEABLE: Mapping[str, str] = {
    "AllowOfflineTxForUnknownId": "true",
    "AuthorizeRemoteTxRequests": "false",
    "ClockAlignedDataInterval": "0",
    "ConnectionTimeOut": "60",
    "LocalAuthListEnabled": "true",
    "LocalAuthorizeOffline": "true",
    "LocalPreAuthorize": "false",
    "MeterValuesAlignedData": "",
    "MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC",
    "ResetRetries": "1",
    "StopTransactionOnEVSideDisconnect": "true",
    "StopTransactionOnInvalidId": "true",
    "StopTxnAlignedData": "",
    "StopTxnSampledData": "Energy.Active.Import.Register",
    "UnlockConnectorOnEVSideDisconnect": "true",
    "WebSocketPingInterval": "0",
    "SecurityProfile": "1",
    "CpoName": "",
}
REBOOT = frozenset({"SecurityProfile"})
NUMBERS = frozenset(
    {
        "ClockAlignedDataInterval",
        "ConnectionTimeOut",
        "HeartbeatInterval",
        "MeterValueSampleInterval",
        "ResetRetries",
        "SecurityProfile",
        "TransactionMessageAttempts",
        "TransactionMessageRetryInterval",
        "WebSocketPingInterval",
    }
)
SECRET = "AuthorizationKey"


def read(station: "SimulatedStation", wanted: Iterable[str]) -> Json:
    """GetConfiguration: no key means all; secrets have no value."""
    values = _values(station)
    names = list(dict.fromkeys(wanted)) or [*values, SECRET]
    keys: list[Json] = []
    for name in names:
        if name == SECRET:
            keys.append({"key": name, "readonly": False})
        elif name in values:
            readonly = name in READ_ONLY or name == "NumberOfConnectors"
            keys.append({"key": name, "readonly": readonly, "value": values[name]})
    known = {key["key"] for key in keys}
    return {"configurationKey": keys, "unknownKey": [name for name in names if name not in known]}


def change(station: "SimulatedStation", name: str, value: str) -> str:
    """ChangeConfiguration; returns the status word."""
    if name == SECRET:
        return _change_password(station, value)
    if name not in CHANGEABLE and name not in LIVE:
        return "Rejected" if name in _values(station) else "NotSupported"
    if name in NUMBERS and not value.isdigit():
        return "Rejected"
    if name in LIVE:
        LIVE[name][1](station, int(value))
    else:
        station.settings[name] = value
    return "RebootRequired" if name in REBOOT else "Accepted"


def _values(station: "SimulatedStation") -> dict[str, str]:
    live = {name: str(get(station)) for name, (get, _) in LIVE.items()}
    return {
        **READ_ONLY,
        "NumberOfConnectors": str(len(station.outlets)),
        **CHANGEABLE,
        **station.settings,
        **live,
    }


def _change_password(station: "SimulatedStation", value: str) -> str:
    """The key comes as hex text; its bytes are the password from the next connection on (P015)."""
    try:
        station.endpoint.password = bytes.fromhex(value)
    except ValueError:
        return "Rejected"
    return "Accepted"


def _set_heartbeat(station: "SimulatedStation", value: int) -> None:
    station.heartbeat_s = value


def _set_sample(station: "SimulatedStation", value: int) -> None:
    station.habits.sample_s = max(1, value)


def _set_attempts(station: "SimulatedStation", value: int) -> None:
    station.habits.attempts = max(1, value)


def _set_retry(station: "SimulatedStation", value: int) -> None:
    station.habits.retry_interval_s = value


Reader = Callable[["SimulatedStation"], int]
Writer = Callable[["SimulatedStation", int], None]
LIVE: Mapping[str, tuple[Reader, Writer]] = {
    "HeartbeatInterval": (lambda station: int(station.heartbeat_s), _set_heartbeat),
    "MeterValueSampleInterval": (lambda station: station.habits.sample_s, _set_sample),
    "TransactionMessageAttempts": (lambda station: station.habits.attempts, _set_attempts),
    "TransactionMessageRetryInterval": (lambda station: int(station.habits.retry_interval_s), _set_retry),
}
