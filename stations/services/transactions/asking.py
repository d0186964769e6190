"""Asks stations that came back about the sessions believed active that they have not mentioned since (P161).

Separate from ``inquiries`` since it issues commands, which are completed there.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef
from django.db.transaction import atomic

from core import access
from core.errors import DomainError
from stations.domain.intents import GetTransactionStatus
from stations.domain.words import Capability, Registration, TransactionStatus
from stations.models import Command, Transaction
from stations.services import commands

ACTOR = access.system("sessions")
AT_ONCE = 100


def ask_after_reconnect(now: datetime) -> int:
    """Ask once in each connection; answers with how many questions were asked. Safe to run at any time."""
    return sum(_ask(session) for session in _unmentioned(now) if _can_be_asked(session))


def _unmentioned(now: datetime) -> Iterator[Transaction]:
    """Running sessions of stations that came back and settled, whose last message is from before that."""
    since = OuterRef("station__presence__connected_since")
    asked = Command.objects.filter(
        station=OuterRef("station"),
        command=GetTransactionStatus.name,
        transaction=OuterRef("pk"),
        issued_at__gte=since,
    )
    settled = now - timedelta(seconds=settings.OCPP_SETTLE_SECONDS)
    rows = Transaction.objects.filter(
        ~Exists(asked),
        status=TransactionStatus.ACTIVE.value,
        number=None,
        station__presence__connected=True,
        station__presence__connected_since__lte=settled,
        created_at__lt=F("station__presence__connected_since"),
        station__registration=Registration.ACCEPTED.value,
        station__enabled=True,
    ).exclude(events__received_at__gte=F("station__presence__connected_since"))
    return rows.select_related("station").order_by("id")[:AT_ONCE].iterator(chunk_size=AT_ONCE)


def _can_be_asked(session: Transaction) -> bool:
    return session.station.supports(Capability.TRANSACTION_STATUS)


def _ask(session: Transaction) -> bool:
    try:
        with atomic():
            commands.issue(
                session.station,
                GetTransactionStatus(transaction=session.pk),
                by=ACTOR,
                reason="The station came back and has not mentioned this session.",
            )
    except DomainError:
        # A full queue, or the station was switched off: asked at the next look.
        return False
    return True
