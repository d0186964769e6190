"""EVSEs and connectors with their last reported state."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.domain.words import STATUS_OF_WORD, ConnectorStatus
from stations.models.owned import OfStation
from stations.models.stations import ChargingStation

MOST_TELLING_FIRST = (
    ConnectorStatus.FAULTED,
    ConnectorStatus.CHARGING,
    ConnectorStatus.PAUSED,
    ConnectorStatus.PLUGGED_IN,
    ConnectorStatus.RESERVED,
    ConnectorStatus.AVAILABLE,
    ConnectorStatus.UNAVAILABLE,
)
# 2.x connectors only say Occupied; what goes on there is the transaction's charging state.
BY_TRANSACTION = frozenset({ConnectorStatus.PLUGGED_IN, ConnectorStatus.UNKNOWN})


class EvseQuerySet(ScopedQuerySet["Evse"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"

    def in_state(self, status: ConnectorStatus) -> "EvseQuerySet":
        """Those of connected stations that :attr:`Evse.state` gives that word.

        An EVSE of several connectors that report different things is found by each of them.
        """
        by_connector = models.Q(connectors__status__in=_words(status))
        if status in BY_TRANSACTION:
            told = models.Q(active__charging_state__in=list(STATUS_OF_WORD))
            by_connector &= models.Q(active=None) | ~told
        by_transaction = models.Q(
            connectors__status__in=["", *_words(ConnectorStatus.PLUGGED_IN)],
            active__charging_state__in=_words(status),
        )
        return self.filter(by_connector | by_transaction)


def _words(status: ConnectorStatus) -> list[str]:
    return [word for word, meaning in STATUS_OF_WORD.items() if meaning == status]


class Evse(OfStation, models.Model):
    """One place to charge one car at a time. ``evse_id`` counts from 1 (1.6: the connectorId)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="evses")
    evse_id = models.PositiveIntegerField()
    code = models.CharField(_("public code"), max_length=48, unique=True)
    power_w = models.DecimalField(max_digits=12, decimal_places=1, null=True)
    energy_wh = models.DecimalField(max_digits=16, decimal_places=3, null=True)
    soc_percent = models.DecimalField(max_digits=5, decimal_places=1, null=True)
    measured_at = models.DateTimeField(null=True)
    active = models.ForeignKey(
        "stations.Transaction", on_delete=models.SET_NULL, null=True, related_name="+", db_constraint=False
    )

    objects = EvseQuerySet.as_manager()

    class Meta:
        ordering = ["evse_id"]
        constraints = [models.UniqueConstraint(fields=["station", "evse_id"], name="evse_once")]

    def __str__(self) -> str:
        return f"{self.station} · EVSE {self.evse_id}"

    @property
    def state(self) -> ConnectorStatus:
        """The word that pages and the API show for this EVSE (dashboard section 9)."""
        if not self.station.presence.connected:
            return ConnectorStatus.OFFLINE
        words = {STATUS_OF_WORD.get(connector.status) for connector in self.connectors.all()}
        found = next((word for word in MOST_TELLING_FIRST if word in words), ConnectorStatus.UNKNOWN)
        if found in BY_TRANSACTION and self.active:
            return STATUS_OF_WORD.get(self.active.charging_state, found)
        return found


class Connector(models.Model):
    """One plug or socket of an EVSE. ``status`` is the station's own word; empty means never reported."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    evse = models.ForeignKey(Evse, on_delete=models.CASCADE, related_name="connectors")
    connector_id = models.PositiveIntegerField()
    type = models.CharField(_("type"), max_length=20, blank=True)
    max_power_w = models.PositiveIntegerField(_("power (W)"), null=True)
    status = models.CharField(max_length=40, blank=True)
    status_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    info = models.CharField(max_length=255, blank=True)
    vendor_id = models.CharField(max_length=255, blank=True)
    vendor_error_code = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ["connector_id"]
        constraints = [models.UniqueConstraint(fields=["evse", "connector_id"], name="connector_once")]

    def __str__(self) -> str:
        return f"{self.evse} · connector {self.connector_id}"
