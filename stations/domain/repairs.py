"""Words of the repair of sessions that cannot end by themselves."""

from enum import StrEnum


class DecisionKind(StrEnum):
    """What an operator can decide."""

    LAST_READING = "last_reading"
    GIVEN_READING = "given_reading"
    JOINED_STOP = "joined_stop"
    WAIT = "wait"


class Evidence(StrEnum):
    """What speaks for the end of a session, each a reason why it is listed for repair."""

    GIVEN_UP = "given_up"
    NEWER_SESSION = "newer_session"
    STATION_DENIES = "station_denies"
    CONNECTOR_FREE = "connector_free"
    STOP_WITHOUT_START = "stop_without_start"
    SILENT = "silent"
