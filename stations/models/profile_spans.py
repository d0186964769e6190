"""Which charging profiles of ours a station had, and when: waiting that they caused is not charged for (T-23)."""

from django.db import models

from stations.models.stations import ChargingStation


class ProfileSpan(models.Model):
    """A profile of ours as it was at the station from one instant to another; still there where ``until`` is null.

    Written by a trigger of migration 0049, since profiles come and go by statements for many.
    """

    id = models.BigAutoField(primary_key=True)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, db_index=False, related_name="+")
    evse_id = models.PositiveIntegerField()
    profile_id = models.BigIntegerField()
    transaction_id = models.UUIDField(null=True)
    content = models.JSONField()
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["since", "id"]
        indexes = [
            models.Index(fields=["station", "until"], name="profile_span_by_station"),
            models.Index(fields=["until"], name="profile_span_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.station_id} · {self.profile_id} · {self.since:%Y-%m-%d %H:%M:%S}"
