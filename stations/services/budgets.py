"""Running sessions are stopped when a budget of their token or driver is reached.

Never on the way of a reading: the sweeper looks at running sessions that have a budget.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q
from django.db.transaction import atomic

from core import access, turns
from core.errors import DomainError
from drivers.models import Budget
from stations.domain.intents import RequestStopTransaction
from stations.domain.words import TransactionStatus
from stations.models import BudgetStop, Command, Transaction
from stations.services import commands, spending

ACTOR = access.system("budgets")
AT_ONCE = 500
AGAIN_AFTER = timedelta(minutes=1)
"""The first pause between two tries; each further one is longer by as much."""


def stop_reached(now: datetime) -> int:
    """Ask stations to stop sessions whose budget is reached; answers with how many were asked.

    A session that runs on, since the station refused, did not answer or did nothing, is asked for again.
    """
    return turns.through(
        lambda done: _running(now, done), lambda rows: sum(_looked_at(one, now) for one in rows)
    )


def _running(now: datetime, done: set[Any]) -> Sequence[Transaction]:
    """In no order, so that none always comes last where there are more than a turn can look at."""
    of_token = Budget.objects.filter(token=OuterRef("token"))
    of_driver = Budget.objects.filter(driver=OuterRef("driver"))
    patience = ExpressionWrapper(F("budget_stop__tries") * AGAIN_AFTER, output_field=DurationField())
    unheard = Q(budget_stop__command__settled_at__isnull=False, budget_stop__at__lt=now - patience)
    running = Transaction.objects.filter(
        Exists(of_token) | Exists(of_driver),
        Q(budget_stop=None) | unheard,
        status=TransactionStatus.ACTIVE.value,
        station__presence__connected=True,
    )
    rows = running.exclude(pk__in=done).order_by("?")
    return list(rows.select_related("station__presence", "budget_stop")[:AT_ONCE])


def _looked_at(session: Transaction, now: datetime) -> bool:
    if spending.began_free(session) or (budget := spending.reached(session, now)) is None:
        return False
    return _stopped(session, budget, now)


def _stopped(session: Transaction, budget: Budget, now: datetime) -> bool:
    """One command at a time, whoever looks; a station that cannot be told now is told at the next look."""
    reason = f"The budget of the {budget.whose} is reached: {budget.words}."
    try:
        with atomic():
            command = commands.issue(
                session.station,
                RequestStopTransaction(transaction=session.pk),
                by=ACTOR,
                reason=reason,
                audited=getattr(session, "budget_stop", None) is None,
            )
            _note(session, command, reason, now)
    except (DomainError, IntegrityError):
        return False
    return True


def _note(session: Transaction, command: Command, reason: str, now: datetime) -> None:
    """Raises ``IntegrityError`` where another worker has asked meanwhile."""
    before = getattr(session, "budget_stop", None)
    if before is None:
        BudgetStop.objects.create(transaction=session, command=command, reason=reason, at=now)
        return
    mine = BudgetStop.objects.filter(pk=session.pk, tries=before.tries)
    if not mine.update(command=command, reason=reason, at=now, tries=before.tries + 1):
        raise IntegrityError("Another worker asked for this session meanwhile.")
