"""Local authorization lists: what we know of the list at each station."""

from django.db import models
from django.db.models.functions import Upper

from core.ids import uuid7
from core.models import ScopedQuerySet
from drivers.models import TokenGroup
from stations.domain.local_lists import Shape, agrees
from stations.models.owned import OfStation
from stations.models.stations import ChargingStation


class LocalListQuerySet(ScopedQuerySet["LocalList"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class LocalList(OfStation, models.Model):
    """The list at one station.

    ``version`` is the last one that the station took, ``last_number`` the highest that was ever said to it,
    ``reported_version`` what it told itself. ``certain`` is false after a message whose outcome is unknown.
    ``began_full``: whether what was said last began with the whole list. Without ``groups`` all tokens of
    the organization belong to it; once ``withdrawn`` none does. ``shape`` is that of its last connection.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.OneToOneField(ChargingStation, on_delete=models.CASCADE, related_name="local_list")
    automatic = models.BooleanField(default=False)
    withdrawn = models.BooleanField(default=False)
    groups = models.ManyToManyField(TokenGroup, blank=True, related_name="+")
    version = models.IntegerField(default=0)
    last_number = models.IntegerField(default=0)
    certain = models.BooleanField(default=True)
    began_full = models.BooleanField(default=False)
    reported_version = models.BigIntegerField(null=True)
    reported_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    entry_count = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=32, blank=True)
    shape = models.JSONField(null=True)
    failure = models.CharField(max_length=200, blank=True)
    failures = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    unsupported_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LocalListQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["station"],
                condition=models.Q(automatic=True) | models.Q(withdrawn=True),
                name="local_list_kept",
            )
        ]

    def __str__(self) -> str:
        return f"{self.station} · local list"

    @property
    def known_shape(self) -> Shape:
        """As the door told it last; the widest there is before the first connection."""
        return Shape.restored(self.shape) if self.shape else Shape()

    @property
    def drifted(self) -> bool:
        """Whether the station told another version than the one it took from us."""
        return self.reported_version is not None and not agrees(
            self.reported_version, self.version, self.entry_count
        )

    @property
    def begins_anew(self) -> bool:
        """Whether changes alone would lead nowhere, since it is not known what the station holds."""
        return self.sent_at is None or not self.certain or self.drifted or self.reported_version == 0


class LocalListEntry(models.Model):
    """One token on the list of a station, as the station took it."""

    id = models.BigAutoField(primary_key=True)
    local_list = models.ForeignKey(
        LocalList, on_delete=models.CASCADE, related_name="entries", db_index=False
    )
    value = models.CharField(max_length=255)
    type = models.CharField(max_length=20, blank=True)
    status = models.CharField(max_length=10)
    group_value = models.CharField(max_length=36, blank=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["value", "type"]
        constraints = [
            models.UniqueConstraint("local_list", Upper("value"), "type", name="local_list_entry_once")
        ]
        indexes = [models.Index(Upper("value"), "local_list", name="local_list_entry_by_value")]

    def __str__(self) -> str:
        return f"{self.local_list} · {self.status}"
