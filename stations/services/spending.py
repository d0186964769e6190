"""What was charged against budgets. A session counts in the organization's day and month in which it began."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Case, DurationField, ExpressionWrapper, F, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils.module_loading import import_string

from core.models import Organization
from drivers.authorization import Rule
from drivers.models import Budget, BudgetKind, BudgetPeriod, IdToken
from stations.domain.words import TransactionStatus
from stations.models import AuthorizationAnswer, Transaction

ACTIVE = TransactionStatus.ACTIVE.value


def used_up(token: IdToken, now: datetime) -> Budget | None:
    """The budget of the token or its driver that leaves nothing for a session which begins now."""
    rows = _budgets(token.pk, token.driver_id).exclude(per=BudgetPeriod.SESSION)
    budgets = list(rows.select_related("organization"))
    return next((one for one in budgets if _spent(one, now, now) >= one.limit), None)


def reached(session: Transaction, now: datetime) -> Budget | None:
    """The budget that the running session has reached."""
    budgets = _budgets(session.token_id, session.driver_id).select_related("organization")
    return next((one for one in budgets if _charged(session, one, now) >= one.limit), None)


def _charged(session: Transaction, budget: Budget, now: datetime) -> Decimal:
    if budget.kind == BudgetKind.SOC:
        return session.soc_percent or Decimal(0)
    if budget.per == BudgetPeriod.SESSION:
        energy = session.energy_wh or Decimal(0)
        if budget.kind == BudgetKind.MONEY:
            return _cost_of(Transaction.objects.filter(pk=session.pk), budget.currency)
        seconds = Decimal(max((now - session.started_at).total_seconds(), 0))
        return energy if budget.kind == BudgetKind.ENERGY else seconds
    return _spent(budget, session.started_at, now)


def _budgets(token_id: UUID | None, driver_id: UUID | None) -> QuerySet[Budget]:
    whose = Q(token=token_id) if token_id else Q(pk__in=[])
    if driver_id:
        whose |= Q(driver=driver_id)
    return Budget.objects.filter(whose)


def began_free(session: Transaction) -> bool:
    """Whether everybody could charge there as it began: it is counted against nobody, whatever holds there now."""
    whose = {"token": session.token_id} if session.token_id else {"driver": session.driver_id}
    answers = AuthorizationAnswer.objects.filter(**whose, rule=Rule.FREE, transaction_id=session.pk)
    return answers.exists()


def _spent(budget: Budget, at: datetime, now: datetime) -> Decimal:
    """What was charged in the period of ``at``, in the unit of the budget.

    A session that began where everybody may charge is counted against nobody, whatever holds there today.
    """
    start, end = _period(budget.per, at, budget.organization)
    whose = {"token": budget.token_id} if budget.token_id else {"driver": budget.driver_id}
    free = AuthorizationAnswer.objects.filter(**whose, rule=Rule.FREE).exclude(transaction_id=None)
    sessions = Transaction.objects.filter(**whose, started_at__gte=start, started_at__lt=end)
    sessions = sessions.exclude(pk__in=free.values("transaction_id"))
    if budget.kind == BudgetKind.ENERGY:
        return Decimal(sessions.aggregate(sum=Sum("energy_wh"))["sum"] or 0)
    if budget.kind == BudgetKind.MONEY:
        return _cost_of(sessions, budget.currency)
    until = Case(When(status=ACTIVE, then=Value(now)), default=Coalesce("ended_at", "last_event_at"))
    lasted = ExpressionWrapper(until - F("started_at"), output_field=DurationField())
    total = sessions.aggregate(sum=Sum(lasted))["sum"] or timedelta(0)
    return Decimal(max(total.total_seconds(), 0))


def _cost_of(sessions: QuerySet[Transaction], currency: str) -> Decimal:
    """What they cost so far or in the end, taxes included where those are known.

    Costs in another currency and sessions without a price count nothing: nothing is guessed. Nor do sessions that
    ``CHARGED_SESSIONS`` leaves out, as nobody is charged for them by their tariff (billing B-52).
    """
    payable = Coalesce("cost__incl_vat", "cost__excl_vat")
    charged: Callable[[QuerySet[Transaction]], QuerySet[Transaction]] = import_string(
        settings.CHARGED_SESSIONS
    )
    priced = charged(sessions.filter(cost__currency=currency))
    return Decimal(priced.aggregate(sum=Sum(payable))["sum"] or 0)


def _period(per: str, at: datetime, organization: Organization) -> tuple[datetime, datetime]:
    local = at.astimezone(ZoneInfo(organization.time_zone))
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if per == BudgetPeriod.DAY:
        return day, day + timedelta(days=1)
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)
