"""Messages of vendors, and the rules by which they are answered (block P)."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.domain.data_transfers import Direction, RuleUse, TransferStatus
from stations.models.commands import Command
from stations.models.stations import ChargingStation


class DataTransferQuerySet(ScopedQuerySet["DataTransfer"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class DataTransferRuleQuerySet(ScopedQuerySet["DataTransferRule"]):
    """Rules hold for all sites of an organization."""


class DataTransfer(models.Model):
    """One vendor's message in either direction. ``data`` and ``answer_data`` are masked before they get here."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="data_transfers")
    direction = models.CharField(max_length=3, choices=[(word.value, word.value) for word in Direction])
    vendor_id = models.CharField(max_length=255)
    message_id = models.CharField(max_length=50, blank=True)
    data = models.TextField(blank=True)
    status = models.CharField(
        max_length=20, blank=True, choices=[(word.value, word.value) for word in TransferStatus]
    )
    answer_data = models.TextField(blank=True)
    command = models.ForeignKey(Command, on_delete=models.SET_NULL, null=True, related_name="+")
    occurred_at = models.DateTimeField()

    objects = DataTransferQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["station", "-id"], name="data_transfer_by_station")]
        constraints = [
            models.UniqueConstraint(
                fields=["command"], condition=models.Q(command__isnull=False), name="data_transfer_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.vendor_id} · {self.message_id}"


class DataTransferRule(models.Model):
    """How one organization treats a vendor's messages; an empty ``message_id`` stands for any.

    ``masked_paths`` name members of the body by dots, such as ``customer.phone``. For displays of OCPP 1.6
    ``template`` is the body to send, and ``station_vendor`` the vendor of the stations that understand it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="data_transfer_rules"
    )
    use = models.CharField(max_length=12, choices=[(word.value, word.value) for word in RuleUse])
    vendor_id = models.CharField(max_length=255)
    message_id = models.CharField(max_length=50, blank=True)
    accepts = models.BooleanField(default=True)
    answer_data = models.TextField(blank=True)
    masked_paths = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    station_vendor = models.CharField(max_length=50, blank=True)
    template = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DataTransferRuleQuerySet.as_manager()

    class Meta:
        ordering = ["vendor_id", "message_id", "id"]
        indexes = [
            models.Index(fields=["organization", "vendor_id", "id"], name="data_transfer_rule_by_vendor")
        ]
        constraints = [
            models.UniqueConstraint(
                "organization",
                "use",
                Lower("vendor_id"),
                "message_id",
                Lower("station_vendor"),
                name="data_transfer_rule_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.vendor_id} · {self.message_id or '*'}"

    @property
    def limit_id(self) -> UUID | None:
        """Rules belong to no site: whoever is limited to sites does not change them."""
        return None
