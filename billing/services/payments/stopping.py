"""Sessions are stopped from here where the money for them ends, and asked to stop again while they run on (B-40)."""

from datetime import timedelta

from core import access, clock
from core.errors import DomainError
from stations.domain.intents import RequestStopTransaction
from stations.models import Command, Transaction
from stations.services import commands

SYSTEM = access.system("payments")
REASON = "payment limit"
AGAIN_AFTER = timedelta(minutes=1)
"""The first pause between two tries; each further one is longer by as much."""


def ask(session: Transaction) -> None:
    """Ask its station, one command at a time: again where it refused, was not heard or has done nothing.

    The caller holds the lock of what the session is paid from. A station that is offline is asked when it is back.
    """
    asked = Command.objects.filter(transaction=session, command=RequestStopTransaction.name, reason=REASON)
    last = asked.order_by("-issued_at").first()
    if last is not None and not (_is_due(last, asked.count()) and _is_there(session)):
        return
    wish = RequestStopTransaction(transaction=session.pk)
    try:
        commands.issue(session.station, wish, by=SYSTEM, reason=REASON, audited=last is None)
    except DomainError:  # it cannot be told now; it is asked at the next look
        return


def _is_due(last: Command, tries: int) -> bool:
    return last.settled_at is not None and clock.now() >= last.issued_at + tries * AGAIN_AFTER


def _is_there(session: Transaction) -> bool:
    presence = getattr(session.station, "presence", None)
    return presence is not None and presence.connected
