"""Transactions and the messages they are made of."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Upper

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from drivers.models import Driver, IdToken
from stations.domain.words import TransactionStatus
from stations.models.evses import Evse
from stations.models.sites import Site
from stations.models.stations import ChargingStation


class TransactionQuerySet(ScopedQuerySet["Transaction"]):
    limit_path = "site_id"


class Transaction(models.Model):
    """One charging session, joined from its messages in whatever order they came (M-03).

    ``reference`` is the station's name for it: the 1.6 number as text, or the 2.x transactionId.
    Organization, site and driver are those under which it began. Energies are registers in Wh. A 1.6 start is known
    by ``start_digest``: of connector, token, time as sent and register, since a time with an impossible year
    is replaced for logic. The columns ending in ``_seq_no`` and ``_at`` say which message a value came from,
    so that the order of arrival does not matter.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True)
    station = models.ForeignKey(ChargingStation, on_delete=models.PROTECT, related_name="transactions")
    evse = models.ForeignKey(Evse, on_delete=models.PROTECT, null=True, related_name="transactions")
    connector_id = models.PositiveIntegerField(null=True)
    reference = models.CharField(max_length=64)
    number = models.IntegerField(null=True, unique=True)
    start_digest = models.BinaryField(max_length=16, null=True)

    token_value = models.CharField(max_length=255, blank=True)
    token_type = models.CharField(max_length=20, blank=True)
    token_seq_no = models.IntegerField(null=True)
    token = models.ForeignKey(IdToken, on_delete=models.SET_NULL, null=True, related_name="transactions")
    driver = models.ForeignKey(
        Driver, on_delete=models.SET_NULL, null=True, related_name="transactions", db_index=False
    )
    authorization = models.CharField(max_length=20, blank=True)
    remote_start_id = models.IntegerField(null=True)
    reservation_id = models.IntegerField(null=True)

    status = models.CharField(
        max_length=8,
        default=TransactionStatus.ACTIVE.value,
        choices=[(word.value, word.value) for word in TransactionStatus],
    )
    charging_state = models.CharField(max_length=20, blank=True)
    charging_state_at = models.DateTimeField(null=True)
    charging_state_seq_no = models.IntegerField(null=True)
    stopped_reason = models.CharField(max_length=40, blank=True)
    stop_token_value = models.CharField(max_length=255, blank=True)
    flags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    repairs = ArrayField(models.CharField(max_length=120), default=list, blank=True)

    started_at = models.DateTimeField()
    start_received_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_received_at = models.DateTimeField(null=True)
    last_event_at = models.DateTimeField()
    first_seq_no = models.IntegerField(null=True)
    last_seq_no = models.IntegerField(null=True)
    event_count = models.PositiveIntegerField(default=0)

    meter_start_wh = models.DecimalField(max_digits=16, decimal_places=3, null=True)
    meter_start_at = models.DateTimeField(null=True)
    meter_start_exact = models.BooleanField(default=False)
    meter_last_wh = models.DecimalField(max_digits=16, decimal_places=3, null=True)
    meter_last_at = models.DateTimeField(null=True)
    meter_stop_exact = models.BooleanField(default=False)
    energy_wh = models.DecimalField(max_digits=16, decimal_places=3, null=True)
    power_w = models.DecimalField(max_digits=12, decimal_places=1, null=True)
    power_at = models.DateTimeField(null=True)
    power_max_w = models.DecimalField(max_digits=12, decimal_places=1, null=True)
    soc_start_percent = models.DecimalField(max_digits=5, decimal_places=1, null=True)
    soc_start_at = models.DateTimeField(null=True)
    soc_percent = models.DecimalField(max_digits=5, decimal_places=1, null=True)
    soc_at = models.DateTimeField(null=True)
    measured_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TransactionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["station", "reference"], name="transaction_reference_once"),
            models.UniqueConstraint(
                fields=["evse"], condition=models.Q(status="active"), name="transaction_one_active_per_evse"
            ),
            models.UniqueConstraint(fields=["station", "start_digest"], name="transaction_start_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=[word.value for word in TransactionStatus]),
                name="transaction_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(energy_wh=None) | models.Q(energy_wh__gte=0),
                name="transaction_energy_not_negative",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-started_at", "-id"], name="transaction_by_organization"),
            models.Index(fields=["organization", "-id"], name="transaction_newest"),
            models.Index(fields=["station", "-started_at", "-id"], name="transaction_by_station"),
            models.Index(
                fields=["organization", "-started_at"],
                condition=models.Q(status="active"),
                name="transaction_active",
            ),
            models.Index(
                fields=["organization", "-id"],
                condition=models.Q(status__in=["active", "orphaned"]),
                name="transaction_without_end",
            ),
            models.Index(Upper("token_value"), "organization", name="transaction_by_token"),
            models.Index(Upper("reference"), "organization", name="transaction_by_reference"),
            models.Index(
                fields=["driver", "-started_at", "-id"],
                condition=~models.Q(driver=None),
                name="transaction_by_driver",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.station} · {self.reference}"

    @property
    def limit_id(self) -> UUID | None:
        return self.site_id

    @property
    def meter_stop_wh(self) -> object:
        """The last register once the transaction has ended."""
        return self.meter_last_wh if self.status == TransactionStatus.ENDED else None


class TransactionEvent(models.Model):
    """One transaction message: 2.x by its seqNo; 1.6 start is 0 and stop is 1. Known once by its number (M-02)."""

    id = models.BigAutoField(primary_key=True)
    transaction = models.ForeignKey(
        Transaction, on_delete=models.CASCADE, related_name="events", db_index=False
    )
    seq_no = models.IntegerField()
    kind = models.CharField(max_length=8)
    trigger_reason = models.CharField(max_length=40, blank=True)
    charging_state = models.CharField(max_length=20, blank=True)
    offline = models.BooleanField(default=False)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    sent_time = models.CharField(max_length=40, blank=True)
    digest = models.BinaryField(max_length=16)
    answer = models.JSONField(default=dict)
    repairs = ArrayField(models.CharField(max_length=120), default=list, blank=True)

    class Meta:
        ordering = ["seq_no"]
        constraints = [
            models.UniqueConstraint(fields=["transaction", "seq_no"], name="transaction_event_once")
        ]

    def __str__(self) -> str:
        return f"{self.transaction} · {self.kind} {self.seq_no}"


class TransactionConflict(models.Model):
    """A message that says something else than one already stored under the same number."""

    id = models.BigAutoField(primary_key=True)
    transaction = models.ForeignKey(Transaction, on_delete=models.CASCADE, related_name="conflicts")
    seq_no = models.IntegerField()
    digest = models.BinaryField(max_length=16)
    content = models.JSONField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transaction", "seq_no", "digest"], name="transaction_conflict_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.transaction} · {self.seq_no}"


class OrphanStop(models.Model):
    """A 1.6 StopTransaction for a number that is not of this station (P143-P147)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="orphan_stops")
    number = models.BigIntegerField()
    token_value = models.CharField(max_length=255, blank=True)
    meter_stop_wh = models.DecimalField(max_digits=16, decimal_places=3)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    reason = models.CharField(max_length=40, blank=True)
    samples = models.JSONField(default=list)
    suggested = models.ForeignKey(Transaction, on_delete=models.SET_NULL, null=True, related_name="+")
    joined = models.ForeignKey(Transaction, on_delete=models.SET_NULL, null=True, related_name="joined_stops")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["station", "number", "occurred_at", "meter_stop_wh"], name="orphan_stop_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.station} · stop for {self.number}"
