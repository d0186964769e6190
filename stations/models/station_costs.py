"""What a session costs by the station's own reckoning (OCPP 2.1 ``costDetails``, tariffs T-49)."""

from decimal import Decimal
from uuid import UUID

from django.db import models

from core.models import ScopedQuerySet
from stations.models.transactions import Transaction


class StationCostQuerySet(ScopedQuerySet["StationCost"]):
    organization_path = "transaction__organization_id"
    limit_path = "transaction__site_id"


class StationCost(models.Model):
    """The station's total, to be compared with ours; never billed.

    ``failed``: the station says that it could not compute, ``reason`` in its words. ``differs`` is ``None``
    until there is a final cost of ours to compare with.
    """

    transaction = models.OneToOneField(
        Transaction, on_delete=models.CASCADE, primary_key=True, related_name="station_cost"
    )
    currency = models.CharField(max_length=3)
    excl_vat = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    incl_vat = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    failed = models.BooleanField(default=False)
    reason = models.CharField(max_length=500, blank=True)
    differs = models.BooleanField(null=True)
    told_at = models.DateTimeField()

    objects = StationCostQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.transaction} · {self.total} {self.currency}"

    @property
    def organization_id(self) -> UUID:
        return self.transaction.organization_id

    @property
    def limit_id(self) -> UUID | None:
        return self.transaction.site_id

    @property
    def total(self) -> Decimal | None:
        """With taxes where the station told them, else without."""
        return self.excl_vat if self.incl_vat is None else self.incl_vat
