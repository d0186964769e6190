"""Messages on displays: several languages, QR codes and further states (2.1 block O)."""

from stations.domain import intents
from stations.ocpp.context import Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201.displays import message_of


def set_display_message(socket: Socket, intent: intents.SetDisplayMessage) -> OutboundCall:
    return message_of(intent)
