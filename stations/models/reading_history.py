"""Readings condensed to minutes and to quarters of an hour, in partitions by month and year (migration 0022)."""

from django.db import models

from stations.models.stations import ChargingStation


class CondensedReadings(models.Model):
    """One span of one EVSE that begins ``at``; null where nothing of the kind was reported.

    ``power_w`` and ``offered_power_w`` are means and ``power_max_w`` the highest of the span's readings;
    ``energy_wh`` and ``soc_percent`` are the last values.
    """

    pk = models.CompositePrimaryKey("station_id", "evse_id", "at")
    station = models.ForeignKey(
        ChargingStation, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    evse_id = models.IntegerField()
    at = models.DateTimeField()
    readings = models.IntegerField()
    energy_wh = models.DecimalField(max_digits=16, decimal_places=3, null=True)
    power_w = models.DecimalField(max_digits=12, decimal_places=1, null=True)
    power_max_w = models.DecimalField(max_digits=12, decimal_places=1, null=True)
    offered_power_w = models.DecimalField(max_digits=12, decimal_places=1, null=True)
    soc_percent = models.DecimalField(max_digits=5, decimal_places=1, null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.station_id} {self.evse_id} {self.at:%Y-%m-%d %H:%M}"


class ReadingMinute(CondensedReadings):
    """A minute."""

    class Meta:
        managed = False
        db_table = "stations_readingminute"


class ReadingQuarter(CondensedReadings):
    """A quarter of an hour."""

    class Meta:
        managed = False
        db_table = "stations_readingquarter"
