"""SendLocalList of 2.1: tokens of any type, and longer ones."""

from stations.domain import intents
from stations.ocpp.context import Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import local_lists

LONGEST = 255


def send(socket: Socket, intent: intents.SendLocalList) -> OutboundCall:
    return local_lists.send_of(socket, intent, longest=LONGEST, types=())
