"""Passwords of stations, as keyed hashes only (security.md section 4)."""

from django.db import models

from core.ids import uuid7
from stations.models.stations import ChargingStation


class StationCredential(models.Model):
    """One password that opens the door for a station; during a change the old and the new one do (P018).

    ``digest_text`` is over the password as typed, ``digest_bytes`` over the bytes that 40 hexadecimal
    digits stand for: what a 1.6 station sends (P015).
    """

    class State(models.TextChoices):
        CURRENT = "current"
        NEXT = "next"
        SUPERSEDED = "superseded"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="credentials")
    state = models.CharField(max_length=10, default=State.CURRENT, choices=State.choices)
    key_id = models.CharField(max_length=32)
    salt = models.BinaryField(max_length=16)
    digest_text = models.BinaryField(max_length=32)
    digest_bytes = models.BinaryField(max_length=32, null=True)
    length = models.PositiveSmallIntegerField()
    typed = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    valid_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["station", "state"],
                condition=models.Q(state__in=["current", "next"]),
                name="credential_one_per_state",
            )
        ]

    def __str__(self) -> str:
        return f"{self.station} · {self.state}"
