"""Running sessions are stopped when a budget of their token or driver is reached.

Never on the way of a reading: the sweeper looks at running sessions that have a budget.
"""

from datetime import datetime

from django.db import IntegrityError
from django.db.models import Q
from django.db.transaction import atomic

from core import access
from core.errors import DomainError
from drivers.models import Budget
from stations.domain.intents import RequestStopTransaction
from stations.domain.words import TransactionStatus
from stations.models import BudgetStop, Transaction
from stations.services import commands, spending

ACTOR = access.system("budgets")
AT_ONCE = 2000


def stop_reached(now: datetime) -> int:
    """Ask stations to stop sessions whose budget is reached; answers with how many were asked."""
    with_budget = Q(token__budgets__isnull=False) | Q(driver__budgets__isnull=False)
    running = Transaction.objects.filter(
        with_budget,
        status=TransactionStatus.ACTIVE.value,
        budget_stop=None,
        station__presence__connected=True,
    )
    rows = running.distinct().order_by("id").select_related("station__presence", "evse")[:AT_ONCE]
    charged = (session for session in rows if not _free(session))
    return sum(
        _stopped(session, budget, now) for session in charged if (budget := spending.reached(session, now))
    )


def _free(session: Transaction) -> bool:
    """Where everybody may charge nothing is counted against anybody."""
    station, evse = session.station, session.evse
    return station.free_vend or bool(evse and evse.evse_id in station.free_evses)


def _stopped(session: Transaction, budget: Budget, now: datetime) -> bool:
    """Once for each session, whoever looks; a station that cannot be told now is told at the next look."""
    reason = f"The budget of the {budget.whose} is reached: {budget.words}."
    try:
        with atomic():
            command = commands.issue(
                session.station, RequestStopTransaction(transaction=session.pk), by=ACTOR, reason=reason
            )
            BudgetStop.objects.create(transaction=session, command=command, reason=reason, at=now)
    except (DomainError, IntegrityError):
        return False
    return True
