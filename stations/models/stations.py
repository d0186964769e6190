"""The charging station: identity, what it told of itself, and how we treat it."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.domain import capabilities
from stations.domain.words import Capability, ConnectorStatus, Registration
from stations.models.sites import Site


class StationQuerySet(ScopedQuerySet["ChargingStation"]):
    limit_path = "site_id"

    def live(self) -> "StationQuerySet":
        """Without the retired ones."""
        return self.filter(retired_at=None)

    def with_live_status(self) -> "StationQuerySet":
        """With presence, site, EVSEs and connectors, in four queries whatever the number of rows."""
        return self.select_related("presence", "site").prefetch_related("evses__connectors", "evses__active")

    def with_evse_in(self, status: str) -> "StationQuerySet":
        """Those with an EVSE whose state is that word (``Evse.state`` says the same row by row)."""
        if status == ConnectorStatus.OFFLINE:
            return self.filter(presence__connected=False)
        evses = self.model._meta.apps.get_model("stations", "Evse").objects
        matching = evses.in_state(ConnectorStatus(status)).filter(station=models.OuterRef("pk"))
        return self.filter(models.Exists(matching), presence__connected=True)


class ChargingStation(models.Model):
    """One charger as the protocol sees it. ``identity`` is the last segment of the address it dials."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="stations", verbose_name=_("site"))
    identity = models.CharField(_("identity"), max_length=48)
    name = models.CharField(_("name"), max_length=100, blank=True)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True, verbose_name=_("tags"))
    notes = models.TextField(_("notes"), blank=True)

    enabled = models.BooleanField(_("enabled"), default=True)
    registration = models.CharField(
        max_length=10,
        default=Registration.ACCEPTED.value,
        choices=[(word.value, word.value) for word in Registration],
    )
    security_profile = models.PositiveSmallIntegerField(
        _("security profile"), default=1, validators=[MaxValueValidator(3)]
    )
    unauthenticated_reason = models.CharField(max_length=200, blank=True)
    pinned_version = models.CharField(_("OCPP version (if pinned)"), max_length=8, blank=True)
    lenient = models.BooleanField(_("lenient"), default=False)
    tolerances = models.JSONField(default=dict, blank=True)
    call_timeout_s = models.PositiveSmallIntegerField(
        _("response time-out (s)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(5), MaxValueValidator(300)],
    )
    ping_interval_s = models.PositiveSmallIntegerField(_("ping interval (s)"), null=True, blank=True)
    heartbeat_interval_s = models.PositiveIntegerField(_("heartbeat interval (s)"), null=True, blank=True)
    energy_factor = models.DecimalField(
        _("energy factor"), max_digits=12, decimal_places=6, null=True, blank=True
    )
    free_vend = models.BooleanField(_("everybody may charge"), default=False)
    free_evses = ArrayField(models.PositiveIntegerField(), default=list, blank=True)
    max_power_w = models.PositiveIntegerField(_("rated power (W)"), null=True, blank=True)

    vendor = models.CharField(max_length=50, blank=True)
    model = models.CharField(max_length=50, blank=True)
    serial_number = models.CharField(max_length=50, blank=True)
    firmware_version = models.CharField(max_length=50, blank=True)
    iccid = models.CharField(max_length=20, blank=True)
    imsi = models.CharField(max_length=20, blank=True)
    meter_type = models.CharField(max_length=50, blank=True)
    meter_serial_number = models.CharField(max_length=50, blank=True)
    boot_reason = models.CharField(max_length=30, blank=True)
    booted_at = models.DateTimeField(null=True, blank=True)
    boot_version = models.CharField(max_length=8, blank=True)
    own_settings = ArrayField(models.CharField(max_length=30), default=list, blank=True)
    quirks = models.JSONField(default=dict, blank=True)
    capabilities = models.JSONField(default=dict, blank=True)
    unsupported = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    schema_refusals = models.PositiveIntegerField(default=0)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = StationQuerySet.as_manager()

    class Meta:
        ordering = ["identity"]
        constraints = [
            models.UniqueConstraint(
                Lower("identity"), condition=models.Q(retired_at=None), name="station_identity_once"
            ),
            models.CheckConstraint(
                condition=models.Q(registration__in=[word.value for word in Registration]),
                name="station_registration_known",
            ),
            models.CheckConstraint(condition=models.Q(security_profile__lte=3), name="station_profile_known"),
        ]
        indexes = [
            models.Index(fields=["organization", "identity"], name="station_by_organization"),
            models.Index(fields=["organization", "name", "id"], name="station_by_name"),
            models.Index(fields=["organization", "created_at", "id"], name="station_by_creation"),
        ]

    def __str__(self) -> str:
        return self.name or self.identity

    @property
    def limit_id(self) -> UUID | None:
        return self.site_id

    @property
    def accepted(self) -> bool:
        return self.registration == Registration.ACCEPTED

    def supports(self, capability: Capability) -> bool:
        """Whether the station can do it, by all that is known; what nobody told is taken for possible."""
        return capabilities.judged(self.capabilities, capability).able is not False

    def tolerates(self, tolerance: str) -> bool:
        """One of ``no_subprotocol``, ``hex_password``, ``integer_ids``, ``binary_frames`` (ocpp.md section 4)."""
        return bool(self.tolerances.get(tolerance, self.lenient))
