"""Sessions that cannot become a record by themselves wait here for a person (billing B-06)."""

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.models import Site, Transaction


class Cause(models.TextChoices):
    NO_TARIFF = "no_tariff", _("No tariff held at its start.")
    UNPRICED = "unpriced", _("Its readings do not tell a price.")
    NO_END_READING = "no_end_reading", _("It has no reading of its end.")
    REGISTER_FELL = "register_fell", _("The register at its end is lower than at its start.")
    TOO_MUCH_ENERGY = "too_much_energy", _("It has more energy than the outlet can deliver in its time.")
    END_BEFORE_START = "end_before_start", _("It ends before it starts.")
    TOO_LONG = "too_long", _("It lasts longer than 72 hours.")
    CLOCK_JUMP = "clock_jump", _("The station's clock was wrong.")
    UNKNOWN_TOKEN = "unknown_token", _("Its card is not known here.")
    OVERLAP = "overlap", _("It overlaps with another session at the same outlet.")
    COSTS_WITHOUT_ENERGY = "costs_without_energy", _("It has costs, but no energy.")
    TOTALS_DIFFER = "totals_differ", _("Its totals do not agree.")
    SIGNATURE = "signature", _("Its signed meter values are missing or do not hold.")
    OTHER_METER = "other_meter", _("The home charger's meter is not the agreed one.")
    STUMBLED = "stumbled", _("Working it out stumbled; the log of the server says over what.")
    LATE_DATA = "late_data", _("Readings arrived after it was sealed.")


class Decision(models.TextChoices):
    ACCEPTED = "accepted", _("Accepted")
    RETRIED = "retried", _("Looked at again")
    CORRECTED = "corrected", _("Corrected")
    WAIVED = "waived", _("Waived")
    TEST = "test", _("Marked as a test")
    MERGED = "merged", _("Merged with its other half")


class BillingExceptionQuerySet(ScopedQuerySet["BillingException"]):
    limit_path = "site_id"

    def open(self) -> "BillingExceptionQuerySet":
        """Those that nobody has decided yet."""
        return self.filter(decision="")


class BillingException(models.Model):
    """One session and why it waits; open until a person decides, who says why.

    ``difference`` is what late data would change of the amount, in ``currency``; a trigger keeps an open
    exception and a record of the same session apart, late data aside. ``consent`` says when and how the payer agreed
    to pay more (B-08).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True)
    transaction = models.ForeignKey(
        Transaction, on_delete=models.PROTECT, related_name="billing_exceptions", db_index=False
    )
    cause = models.CharField(max_length=20, choices=Cause.choices)
    detail = models.CharField(max_length=300, blank=True)
    difference = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    currency = models.CharField(max_length=3, blank=True)
    opened_at = models.DateTimeField()
    decision = models.CharField(max_length=9, choices=Decision.choices, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    consent = models.CharField(max_length=300, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)

    objects = BillingExceptionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["transaction"], condition=models.Q(decision=""), name="billing_exception_open_once"
            ),
            models.CheckConstraint(
                condition=models.Q(decision="", decided_at=None)
                | (~models.Q(decision="") & models.Q(decided_at__isnull=False, decided_by__gt="")),
                name="billing_exception_decided_by_someone",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="billing_exception_by_org"),
            models.Index(fields=["transaction"], name="billing_exception_by_session"),
            models.Index(
                fields=["organization", "opened_at"],
                condition=models.Q(decision=""),
                name="billing_exception_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transaction} · {self.cause}"

    @property
    def limit_id(self) -> UUID | None:
        return self.site_id
