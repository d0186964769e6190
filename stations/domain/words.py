"""Words of the field, in OCPP 2.0.1's terms; every version is translated to them at the door."""

from enum import StrEnum


class Version(StrEnum):
    """Negotiated version of OCPP; only the door asks for it."""

    V16 = "1.6"
    V201 = "2.0.1"
    V21 = "2.1"


class Asked(StrEnum):
    """What a token was shown for."""

    AUTHORIZE = "authorize"
    START = "start"
    STOP = "stop"
    REMOTE_START = "remote_start"


class Capability(StrEnum):
    """What a station may be able to do; asked beyond the door instead of its version."""

    RESET_EVSE = "reset_evse"
    DEVICE_MODEL = "device_model"
    MONITORING = "monitoring"
    SMART_CHARGING = "smart_charging"
    RESERVATION = "reservation"
    LOCAL_LIST = "local_list"
    FIRMWARE = "firmware"
    DISPLAY = "display"
    TRANSACTION_STATUS = "transaction_status"
    CUSTOMER_INFORMATION = "customer_information"
    NETWORK_PROFILE = "network_profile"
    EVENT_STREAMS = "event_streams"
    RESUME = "resume"
    AUTHORIZATION_CACHE = "authorization_cache"
    TARIFF = "tariff"
    ISO15118 = "iso15118"
    REMOTE_TRIGGER = "remote_trigger"
    GRID_SUPPORT = "grid_support"
    BIDIRECTIONAL = "bidirectional"
    BATTERY_SWAP = "battery_swap"
    WEB_PAYMENT = "web_payment"


class Registration(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class ConnectorStatus(StrEnum):
    """What pages and the API call an EVSE's state (dashboard section 9)."""

    AVAILABLE = "available"
    PLUGGED_IN = "plugged_in"
    CHARGING = "charging"
    PAUSED = "paused"
    RESERVED = "reserved"
    FAULTED = "faulted"
    UNAVAILABLE = "unavailable"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


STATUS_OF_WORD = {
    "Available": ConnectorStatus.AVAILABLE,
    "Preparing": ConnectorStatus.PLUGGED_IN,
    "Finishing": ConnectorStatus.PLUGGED_IN,
    "Occupied": ConnectorStatus.PLUGGED_IN,
    "EVConnected": ConnectorStatus.PLUGGED_IN,
    "Charging": ConnectorStatus.CHARGING,
    "SuspendedEV": ConnectorStatus.PAUSED,
    "SuspendedEVSE": ConnectorStatus.PAUSED,
    "Reserved": ConnectorStatus.RESERVED,
    "Faulted": ConnectorStatus.FAULTED,
    "Unavailable": ConnectorStatus.UNAVAILABLE,
}


class ChargingState(StrEnum):
    """OCPP 2.0.1 ChargingStateEnumType, the same words on the wire."""

    CHARGING = "Charging"
    EV_CONNECTED = "EVConnected"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    IDLE = "Idle"


class TransactionStatus(StrEnum):
    ACTIVE = "active"
    ENDED = "ended"
    ORPHANED = "orphaned"


class Flag(StrEnum):
    """Why a person should look at a transaction, or at a sample."""

    SUPERSEDED = "superseded"
    BEFORE_ACCEPTANCE = "before_acceptance"
    METER_BACKWARDS = "meter_backwards"
    METER_JUMP = "meter_jump"
    CLOCK_IMPLAUSIBLE = "clock_implausible"
    TIME_WITHOUT_ZONE = "time_without_zone"
    NEGATIVE_DURATION = "negative_duration"
    UNRELATED_STOP_TOKEN = "unrelated_stop_token"
    CONFLICTING_END = "conflicting_end"
    STOP_JOINED = "stop_joined"
    AVAILABLE_DURING_SESSION = "available_during_session"
    MISSING_EVENTS = "missing_events"
    REPAIRED = "repaired"
    OFFLINE = "offline"
    NOT_AUTHORIZED = "not_authorized"
    OTHER_LOCATION = "other_location"
    NO_TARIFF = "no_tariff"


class CommandStatus(StrEnum):
    """States of a command, the words of the API."""

    PENDING = "pending"
    SENT = "sent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NOT_SUPPORTED = "not_supported"


class Effect(StrEnum):
    """Whether what a command was for has been observed."""

    SEEN = "seen"
    NOT_SEEN = "not_seen"
