"""Budgets of tokens and drivers, as operators set them."""

from collections.abc import Sequence
from decimal import Decimal

from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission
from core.errors import Invalid
from core.money import half_up, minor_units
from drivers.models import Budget, BudgetKind, BudgetPeriod, Driver, IdToken

Wish = tuple[str, Decimal, str]
"""Kind, limit in its unit (money: in the organization's currency), period."""

MOST = Decimal("9999999999.999")


def set_(holder: IdToken | Driver, wishes: Sequence[Wish], *, by: Actor) -> list[Budget]:
    """Let these be the budgets of the token or driver, and no others. Raises :class:`Invalid` naming the field."""
    by.require(Permission.DRIVERS_MANAGE, holder)
    currency = holder.organization.currency
    for kind, limit, per in wishes:
        _check(kind, limit, per, currency)
    if len({(kind, per) for kind, _, per in wishes}) != len(wishes):
        raise Invalid("Give one budget of a kind for each period.", field="budgets")
    whose = {"token" if isinstance(holder, IdToken) else "driver": holder}
    with atomic():
        type(holder).objects.select_for_update(of=("self",)).get(pk=holder.pk)
        before = list(Budget.objects.filter(**whose))
        made = [
            Budget(
                organization_id=holder.organization_id,
                kind=kind,
                limit=limit,
                per=per,
                currency=currency if kind == BudgetKind.MONEY else "",
                **whose,
            )
            for kind, limit, per in wishes
        ]
        said = [sorted(one.words for one in those) for those in (before, made)]
        if said[0] == said[1]:
            return before
        Budget.objects.filter(**whose).delete()
        Budget.objects.bulk_create(made)
        audit.record(f"{next(iter(whose))}.budgets_changed", holder, by=by, changes={"budgets": said})
    return made


def _check(kind: str, limit: Decimal, per: str, currency: str) -> None:
    if kind not in BudgetKind.values or per not in BudgetPeriod.values:
        raise Invalid("Choose a kind and a period of the budget.", field="budgets")
    if not limit.is_finite() or not Decimal("0.001") <= limit <= MOST:
        raise Invalid("A budget is above nothing and within reason.", field="budgets")
    if kind == BudgetKind.SOC and (per != BudgetPeriod.SESSION or limit > 100):
        raise Invalid(
            "The charge of the battery is limited per session, to at most 100 percent.", field="budgets"
        )
    if kind == BudgetKind.MONEY and limit != half_up(limit, minor_units(currency)):
        raise Invalid("A budget of money has no more decimal places than its currency.", field="budgets")
