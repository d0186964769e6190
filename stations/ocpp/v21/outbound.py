"""What 2.1 stations can be told beyond 2.0.1: tokens of any type."""

from stations.domain import intents
from stations.ocpp.context import Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v21.profiles import WORDS
from stations.ocpp.v201 import outbound as v201
from stations.ocpp.v201 import reservations


def request_start(socket: Socket, intent: intents.RequestStartTransaction) -> OutboundCall:
    return v201.start_of(intent, WORDS)


def reserve_now(socket: Socket, intent: intents.ReserveNow) -> OutboundCall:
    """Types of tokens and of connectors are open in 2.1."""
    return reservations.reservation_of(intent)
