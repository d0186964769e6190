"""The stations that drivers want to find again."""

from django.db import models

from drivers.models import Driver
from stations.models.stations import ChargingStation


class Favourite(models.Model):
    """A station that a driver has marked."""

    id = models.BigAutoField(primary_key=True)
    driver = models.ForeignKey(Driver, on_delete=models.CASCADE, db_index=False, related_name="favourites")
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="favourites")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["driver", "station"], name="favourite_once")]

    def __str__(self) -> str:
        return f"{self.driver} · {self.station}"
