"""Messages on the displays of stations (OCPP 2.0.1 block O)."""

from django.db import models

from core import clock
from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.domain.displays import DisplayStatus
from stations.models.commands import Command
from stations.models.owned import OfStation
from stations.models.stations import ChargingStation
from stations.models.transactions import Transaction


class DisplayMessageQuerySet(ScopedQuerySet["DisplayMessage"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class DisplayMessage(OfStation, models.Model):
    """A message of a display. ``number`` is its name at the station, unique there; ``texts`` its wordings."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="display_messages")
    number = models.BigIntegerField()
    priority = models.CharField(max_length=30)
    state = models.CharField(max_length=30, blank=True)
    texts = models.JSONField(default=list)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    transaction = models.ForeignKey(
        Transaction, on_delete=models.SET_NULL, null=True, related_name="display_messages"
    )
    transaction_reference = models.CharField(max_length=64, blank=True)
    component = models.CharField(max_length=50, blank=True)
    component_instance = models.CharField(max_length=50, blank=True)
    evse_id = models.PositiveIntegerField(null=True)
    status = models.CharField(max_length=10, choices=[(word.value, word.value) for word in DisplayStatus])
    detail = models.CharField(max_length=200, blank=True)
    command = models.ForeignKey(Command, on_delete=models.SET_NULL, null=True, related_name="+")
    told_request = models.BigIntegerField(null=True)
    told_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200, blank=True)
    cleared_at = models.DateTimeField(null=True)

    objects = DisplayMessageQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["station", "number"], name="display_message_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=[word.value for word in DisplayStatus]),
                name="display_message_status_known",
            ),
        ]

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        return str(self.texts[0]["text"]) if self.texts else ""

    @property
    def over(self) -> bool:
        """Whether its time has passed: the station takes it down by itself."""
        return self.ends_at is not None and self.ends_at <= clock.now()
