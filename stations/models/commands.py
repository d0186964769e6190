"""What was said to stations, and what they answered."""

from django.db import models

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.domain.words import CommandStatus, Effect
from stations.models.owned import AtStation
from stations.models.stations import ChargingStation
from stations.models.transactions import Transaction

# Configuration, firmware, certificates and reset (security.md W-21); a raw call can be any of them.
NEEDS_TWO = frozenset(
    {"reset", "set_variables", "update_firmware", "publish_firmware", "unpublish_firmware", "install_certificate",
     "delete_certificate", "renew_certificate", "rotate_password", "set_network_profile", "call"}
)  # fmt: skip


class CommandQuerySet(ScopedQuerySet["Command"]):
    limit_path = "station__site_id"


class Command(AtStation, models.Model):
    """An intention towards one station. What *happened* is elsewhere; ``effect`` says whether it was seen.

    ``person_id`` is whose word it was, kept where one person may tell so many stations only (``NEEDS_TWO``).
    """

    class IfOffline(models.TextChoices):
        FAIL = "fail"
        WAIT = "wait"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    station = models.ForeignKey(
        ChargingStation, on_delete=models.PROTECT, related_name="commands", db_index=False
    )
    command = models.CharField(max_length=40)
    parameters = models.JSONField()
    sealed = models.TextField(blank=True)
    transaction = models.ForeignKey(
        Transaction, on_delete=models.SET_NULL, null=True, related_name="commands"
    )
    evse_id = models.IntegerField(null=True)
    remote_start_id = models.IntegerField(null=True)

    status = models.CharField(
        max_length=13,
        default=CommandStatus.PENDING.value,
        choices=[(word.value, word.value) for word in CommandStatus],
    )
    response = models.JSONField(null=True)
    error = models.JSONField(null=True)
    effect = models.CharField(max_length=8, blank=True, choices=[(word.value, word.value) for word in Effect])
    effect_detail = models.CharField(max_length=200, blank=True)
    effect_at = models.DateTimeField(null=True)
    effect_until = models.DateTimeField(null=True)

    issued_by = models.CharField(max_length=200)
    person_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=500, blank=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    if_offline = models.CharField(max_length=4, default=IfOffline.FAIL, choices=IfOffline.choices)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    epoch = models.BigIntegerField(null=True)
    message_id = models.CharField(max_length=36, blank=True)
    action = models.CharField(max_length=60, blank=True)

    objects = CommandQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=[word.value for word in CommandStatus]),
                name="command_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["pending", "sent"]) ^ models.Q(settled_at__isnull=False),
                name="command_settled_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["station", "-id"], name="command_by_station"),
            models.Index(fields=["organization", "-id"], name="command_by_organization"),
            models.Index(
                fields=["organization", "-id"],
                condition=models.Q(command__in=sorted(NEEDS_TWO)),
                name="command_of_two_persons",
            ),
            models.Index(
                fields=["expires_at"], condition=models.Q(status__in=["pending", "sent"]), name="command_open"
            ),
            models.Index(
                fields=["station", "id"], condition=models.Q(status="pending"), name="command_pending"
            ),
            models.Index(
                fields=["effect_until"],
                condition=models.Q(effect="", effect_until__isnull=False),
                name="command_effect_awaited",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.command} · {self.status}"

    @property
    def latency_ms(self) -> int | None:
        """From sending to the answer, in milliseconds."""
        if self.sent_at is None or self.settled_at is None:
            return None
        return round((self.settled_at - self.sent_at).total_seconds() * 1000)

    @property
    def settled(self) -> bool:
        return self.settled_at is not None
