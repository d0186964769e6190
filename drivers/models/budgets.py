"""How much a token, or a driver with all tokens, may charge."""

from decimal import Decimal
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from core.money import half_up, minor_units
from drivers.models.drivers import Driver
from drivers.models.tokens import IdToken


class BudgetKind(models.TextChoices):
    ENERGY = "energy_wh", _("energy")
    DURATION = "duration_s", _("time")
    SOC = "soc_percent", _("charge of the battery")
    MONEY = "money", _("money")


class BudgetPeriod(models.TextChoices):
    SESSION = "session", _("a session")
    DAY = "day", _("a day")
    MONTH = "month", _("a month")


class BudgetQuerySet(ScopedQuerySet["Budget"]):
    pass


class Budget(models.Model):
    """``limit`` is in Wh, seconds, percent or ``currency``, as ``kind`` says; money includes taxes.

    Days and months are those of the organization.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    token = models.ForeignKey(
        IdToken, on_delete=models.CASCADE, null=True, related_name="budgets", db_index=False
    )
    driver = models.ForeignKey(
        Driver, on_delete=models.CASCADE, null=True, related_name="budgets", db_index=False
    )
    kind = models.CharField(max_length=12, choices=BudgetKind.choices)
    limit = models.DecimalField(max_digits=13, decimal_places=3)
    currency = models.CharField(max_length=3, blank=True)
    per = models.CharField(max_length=8, choices=BudgetPeriod.choices)

    objects = BudgetQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "per"]
        constraints = [
            models.CheckConstraint(condition=Q(token=None) ^ Q(driver=None), name="budget_of_one"),
            models.UniqueConstraint(
                fields=["token", "kind", "per"], condition=~Q(token=None), name="budget_of_token_once"
            ),
            models.UniqueConstraint(
                fields=["driver", "kind", "per"], condition=~Q(driver=None), name="budget_of_driver_once"
            ),
            models.CheckConstraint(condition=Q(limit__gt=0), name="budget_above_nothing"),
            models.CheckConstraint(
                condition=~Q(kind=BudgetKind.SOC) | Q(per=BudgetPeriod.SESSION, limit__lte=100),
                name="budget_of_soc_per_session",
            ),
            models.CheckConstraint(
                condition=Q(kind=BudgetKind.MONEY, currency__gt="")
                | (~Q(kind=BudgetKind.MONEY) & Q(currency="")),
                name="budget_of_money_in_currency",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.get_per_display()}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def whose(self) -> str:
        return "token" if self.token_id else "driver"

    @property
    def amount(self) -> str:
        """The limit with its unit, as people read it."""
        if self.kind == BudgetKind.ENERGY:
            return f"{_plain(self.limit / 1000)} kWh"
        if self.kind == BudgetKind.MONEY:
            return f"{half_up(self.limit, minor_units(self.currency))} {self.currency}"
        return (
            f"{_plain(self.limit / 60)} min"
            if self.kind == BudgetKind.DURATION
            else f"{_plain(self.limit)} %"
        )

    @property
    def words(self) -> str:
        """“20 kWh a day”, for the sentence that refuses or stops."""
        per = {"session": "a session", "day": "a day", "month": "a month"}[self.per]
        return f"{self.amount} {per}"


def _plain(number: Decimal) -> str:
    """Without trailing zeros and without an exponent, to three places."""
    return f"{number.quantize(Decimal('0.001')):f}".rstrip("0").rstrip(".")
