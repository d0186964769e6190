"""What can be wrong with a message, and the code that each version of OCPP has for it (ocpp.md section 3)."""

from collections.abc import Mapping
from enum import StrEnum

from core import errors
from stations.domain.timestamps import UnreadableTime
from stations.domain.words import Version

DESCRIPTION_MAX = 255


class Fault(StrEnum):
    """A situation of ocpp.md section 3; the value is the code of 2.x."""

    MALFORMED = "RpcFrameworkError"
    UNKNOWN_TYPE = "MessageTypeNotSupported"
    FORMAT = "FormatViolation"
    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    MISSING = "OccurrenceConstraintViolation"
    TYPE = "TypeConstraintViolation"
    VALUE = "PropertyConstraintViolation"
    PROTOCOL = "ProtocolError"
    SECURITY = "SecurityError"
    INTERNAL = "InternalError"
    GENERIC = "GenericError"


V16_SPELLING: Mapping[Fault, str] = {
    Fault.MALFORMED: "FormationViolation",
    Fault.FORMAT: "FormationViolation",
    Fault.MISSING: "OccurenceConstraintViolation",
    Fault.UNKNOWN_TYPE: "GenericError",
}

OF_DOMAIN: Mapping[type[errors.DomainError], Fault] = {
    errors.NotSupported: Fault.NOT_SUPPORTED,
    errors.NotPermitted: Fault.SECURITY,
    errors.Invalid: Fault.VALUE,
    UnreadableTime: Fault.TYPE,
}


class Refused(Exception):
    """A message that gets a CALLERROR. The text names fields, never their values."""

    def __init__(self, fault: Fault, description: str = "") -> None:
        super().__init__(description)
        self.fault = fault
        self.description = description[:DESCRIPTION_MAX]


def code_of(fault: Fault, version: Version) -> str:
    """The code as the version of OCPP spells it."""
    if version is Version.V16:
        return V16_SPELLING.get(fault, fault.value)
    return fault.value


def refusal_of(error: errors.DomainError) -> Refused:
    """The refusal that a handler's domain error stands for."""
    for kind in type(error).__mro__:
        if kind in OF_DOMAIN:
            return Refused(OF_DOMAIN[kind], error.message)
    return Refused(Fault.GENERIC, error.message)
