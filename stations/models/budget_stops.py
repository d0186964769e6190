"""Sessions that were stopped since a budget was reached."""

from django.db import models

from core.models import ScopedQuerySet
from stations.models.commands import Command
from stations.models.transactions import Transaction


class BudgetStopQuerySet(ScopedQuerySet["BudgetStop"]):
    organization_path = "transaction__organization_id"
    limit_path = "transaction__site_id"


class BudgetStop(models.Model):
    """One for each session: the command that asked the station to stop last, how often it was asked, and the
    budget in words.
    """

    transaction = models.OneToOneField(
        Transaction, on_delete=models.CASCADE, primary_key=True, related_name="budget_stop"
    )
    command = models.ForeignKey(Command, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=300)
    at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=1)

    objects = BudgetStopQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.transaction} · {self.reason}"
