"""A new password on its way to a station by ChangeConfiguration: the door opens for both meanwhile (P018).

The key ``AuthorizationKey`` carries hexadecimal digits; the password is the bytes they stand for (P015).
"""

import re
from functools import partial

from core.errors import Invalid
from stations.models import ChargingStation
from stations.ocpp.context import Socket
from stations.ocpp.routing import Keep
from stations.services import credentials

KEY = "authorizationkey"
DIGITS = re.compile(r"(?:[0-9a-fA-F]{2}){16,20}")
TAKEN = {"Accepted": True, "RebootRequired": None}


def as_sent(key: str, value: str) -> str:
    """The value as it goes on the wire: a password that is no hexadecimal text is written as one."""
    if key.lower() != KEY or DIGITS.fullmatch(value):
        return value
    return value.encode().hex()


def change_of(socket: Socket, key: str, value: str) -> Keep | None:
    """What to keep before a new password is sent. Raises :class:`Invalid` for its length."""
    if key.lower() != KEY:
        return None
    if not DIGITS.fullmatch(value):
        raise Invalid("A password on OCPP 1.6 has 16 to 20 bytes, sent as hexadecimal digits.", field="items")
    return partial(credentials.expect_change, socket.station_id, value)


def conclude(socket: Socket, key: str, status: str) -> None:
    """The station answered: the new one replaces the old, or is forgotten, or waits for the restart."""
    if key.lower() == KEY:
        station = ChargingStation.objects.get(pk=socket.station_id)
        credentials.end_change(station, accepted=TAKEN.get(status, False))
