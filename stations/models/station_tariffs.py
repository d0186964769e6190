"""Tariffs that stations keep, and payments that they settled (OCPP 2.1)."""

from django.db import models

from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.domain.payments import SettlementStatus
from stations.domain.station_tariffs import StationTariffStatus, TariffKind
from stations.models.stations import ChargingStation
from stations.models.transactions import Transaction


class StationTariffQuerySet(ScopedQuerySet["StationTariff"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class SettlementQuerySet(ScopedQuerySet["Settlement"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class StationTariff(models.Model):
    """A tariff at a station, ``tariff`` as it was given. EVSE 0 stands for all.

    A tariff that only the station told of has an empty ``tariff``: it does not tell what is in it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="station_tariffs")
    kind = models.CharField(max_length=12, choices=[(word.value, word.value) for word in TariffKind])
    tariff_id = models.CharField(max_length=60)
    evse_id = models.PositiveIntegerField(default=0)
    transaction = models.ForeignKey(
        Transaction, on_delete=models.SET_NULL, null=True, related_name="station_tariffs"
    )
    tariff = models.JSONField(default=dict)
    token_values = models.JSONField(default=list)
    valid_from = models.DateTimeField(null=True)
    status = models.CharField(
        max_length=10, choices=[(word.value, word.value) for word in StationTariffStatus]
    )
    detail = models.CharField(max_length=200, blank=True)
    told_at = models.DateTimeField()

    objects = StationTariffQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "evse_id", "tariff_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["station", "kind", "tariff_id", "evse_id", "transaction"],
                nulls_distinct=False,
                name="station_tariff_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.tariff_id} · {self.evse_id}"


class Settlement(models.Model):
    """How a payment at a station's terminal ended, once for each reference of the payment service."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="settlements")
    psp_ref = models.CharField(max_length=255)
    transaction = models.ForeignKey(
        Transaction, on_delete=models.SET_NULL, null=True, related_name="settlements"
    )
    transaction_reference = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=10, choices=[(word.value, word.value) for word in SettlementStatus])
    detail = models.CharField(max_length=500, blank=True)
    amount = models.DecimalField(max_digits=18, decimal_places=6)
    receipt_id = models.CharField(max_length=50, blank=True)
    receipt_url = models.CharField(max_length=2000, blank=True)
    vat_number = models.CharField(max_length=20, blank=True)
    vat_company = models.JSONField(default=dict)
    settled_at = models.DateTimeField()
    received_at = models.DateTimeField()

    objects = SettlementQuerySet.as_manager()

    class Meta:
        ordering = ["-settled_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["station", "psp_ref"], name="settlement_once")]

    def __str__(self) -> str:
        return f"{self.psp_ref} · {self.status}"
