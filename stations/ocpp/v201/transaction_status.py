"""GetTransactionStatus (2.0.1 E14)."""

from datetime import datetime

from stations.domain import intents
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.services.transactions import inquiries


def ask(socket: Socket, intent: intents.GetTransactionStatus) -> OutboundCall:
    """Of one session, or of all where none is named."""
    return OutboundCall(
        "GetTransactionStatus", {"transactionId": intent.reference} if intent.reference else {}
    )


def absorb(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """Without a session the station tells only whether messages are queued (E14.FR.06)."""
    reference = str(request.get("transactionId") or "")
    ongoing = response.get("ongoingIndicator") if reference else None
    inquiries.answered(
        socket,
        reference,
        ongoing=ongoing if isinstance(ongoing, bool) else None,
        messages_in_queue=response.get("messagesInQueue") is True,
        at=at,
    )
