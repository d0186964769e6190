"""Whether every ended session is accounted for, as of the last night (billing B-12)."""

from uuid import UUID

from django.db import models

from core.access import EVERYWHERE
from core.models import Organization, UndividedQuerySet


class ReconciliationQuerySet(UndividedQuerySet["Reconciliation"]):
    pass


class Reconciliation(models.Model):
    """The last check of an organization; ``counts`` are sessions by what became of them, ``ended`` their sum.

    ``differences`` are the first found, each with ``kind`` and ``id``; ``differing`` is how many there are.
    """

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, primary_key=True, related_name="reconciliation"
    )
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    checked_at = models.DateTimeField()
    counts = models.JSONField()
    differing = models.PositiveIntegerField(default=0)
    differences = models.JSONField(default=list)

    objects = ReconciliationQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.organization} {self.checked_at:%Y-%m-%d}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
