"""What limits charging: profiles at stations, limits of others, what cars ask for, what comes of it all."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.domain.words import TransactionStatus
from stations.models.owned import OfStation
from stations.models.stations import ChargingStation
from stations.models.transactions import Transaction


class InstalledProfileQuerySet(ScopedQuerySet["InstalledProfile"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"

    def live(self) -> "InstalledProfileQuerySet":
        """Without those whose session is over: they died with it."""
        over = models.Q(transaction__isnull=False) & ~models.Q(
            transaction__status=TransactionStatus.ACTIVE.value
        )
        return self.exclude(over)


class InstalledProfile(OfStation, models.Model):
    """A charging profile that the station has, as far as we know: it took it from us, or reported it.

    ``evse_id`` 0 is the station. ``source`` is who put it there: CSO is us. ``content`` is the whole profile in
    the words of ``domain/smart_charging.py``. ``installed_by`` is the actor whose command it came by;
    ``seen_in`` is the last report that held it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="installed_profiles")
    evse_id = models.PositiveIntegerField()
    profile_id = models.BigIntegerField()
    purpose = models.CharField(max_length=40)
    stack_level = models.BigIntegerField()
    kind = models.CharField(max_length=10)
    source = models.CharField(max_length=20)
    transaction = models.ForeignKey(
        Transaction, on_delete=models.SET_NULL, null=True, related_name="installed_profiles"
    )
    content = models.JSONField()
    installed_by = models.CharField(max_length=200, blank=True)
    installed_at = models.DateTimeField()
    reported_at = models.DateTimeField(null=True)
    seen_in = models.BigIntegerField(null=True)

    objects = InstalledProfileQuerySet.as_manager()

    class Meta:
        ordering = ["evse_id", "purpose", "-stack_level"]
        constraints = [
            models.UniqueConstraint(fields=["station", "profile_id"], name="installed_profile_once"),
        ]

    def __str__(self) -> str:
        return f"{self.station} · profile {self.profile_id}"


class ChargingLimitQuerySet(ScopedQuerySet["ChargingLimit"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class ChargingLimit(models.Model):
    """A limit of somebody else that the station told of (2.0.1 K12), until it is cleared (K13)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="charging_limits")
    evse_id = models.PositiveIntegerField()
    source = models.CharField(max_length=20)
    grid_critical = models.BooleanField(null=True)
    local_generation = models.BooleanField(null=True)
    schedules = models.JSONField(default=list)
    notified_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)

    objects = ChargingLimitQuerySet.as_manager()

    class Meta:
        ordering = ["evse_id", "source"]
        constraints = [
            models.UniqueConstraint(fields=["station", "evse_id", "source"], name="charging_limit_once")
        ]

    def __str__(self) -> str:
        return f"{self.station} · {self.source}"


class CompositeSchedule(models.Model):
    """The curve that the station made of all its profiles when it was last asked; no periods: it has none."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="composite_schedules")
    evse_id = models.PositiveIntegerField()
    rate_unit = models.CharField(max_length=1, blank=True)
    starts_at = models.DateTimeField()
    duration_s = models.PositiveIntegerField()
    periods = models.JSONField(default=list)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["evse_id"]
        constraints = [models.UniqueConstraint(fields=["station", "evse_id"], name="composite_schedule_once")]

    def __str__(self) -> str:
        return f"{self.station} · EVSE {self.evse_id}"


class ChargingPlan(models.Model):
    """What a car asked for in one session, and what it is going to take (2.0.1 K15 to K17, 2.1 K21, Q01)."""

    transaction = models.OneToOneField(
        Transaction, on_delete=models.CASCADE, primary_key=True, related_name="charging_plan"
    )
    energy_transfer = models.CharField(max_length=20, blank=True)
    control_mode = models.CharField(max_length=20, blank=True)
    departure_at = models.DateTimeField(null=True)
    requested_wh = models.DecimalField(max_digits=16, decimal_places=3, null=True)
    soc_percent = models.PositiveSmallIntegerField(null=True)
    target_soc_percent = models.PositiveSmallIntegerField(null=True)
    needs = models.JSONField(null=True)
    needs_at = models.DateTimeField(null=True)
    car_schedule = models.JSONField(null=True)
    car_schedule_at = models.DateTimeField(null=True)
    car_keeps_to_limits = models.BooleanField(null=True)
    replans = models.PositiveSmallIntegerField(default=0)
    priority = models.BooleanField(null=True)
    priority_at = models.DateTimeField(null=True)
    allowed_transfers = ArrayField(models.CharField(max_length=20), default=list)

    def __str__(self) -> str:
        return f"{self.transaction} · plan"
