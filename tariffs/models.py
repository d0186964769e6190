"""Tariffs and their versions: drafts, what was published, and what is over (tariffs section 10)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from tariffs import documents, parsing
from tariffs.structure import Tariff as Priced


class VersionState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    PUBLISHED = "published", _("Published")
    RETIRED = "retired", _("Retired")


class Span(models.Func):
    """From the first column, inclusive, to the second, exclusive."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class TariffQuerySet(ScopedQuerySet["Tariff"]):
    """Tariffs hold for a whole organization; where they are used is said by stations."""

    def live(self) -> "TariffQuerySet":
        """Without the retired ones."""
        return self.filter(retired_at=None)


class TariffVersionQuerySet(ScopedQuerySet["TariffVersion"]):
    organization_path = "tariff__organization_id"

    def published(self) -> "TariffVersionQuerySet":
        """Those that are, will be or were in force."""
        return self.exclude(state=VersionState.DRAFT).exclude(valid_to=models.F("valid_from"))

    def in_force(self, at: datetime) -> "TariffVersionQuerySet":
        """Those that hold at an instant: at most one of each tariff."""
        open_end = models.Q(valid_to=None) | models.Q(valid_to__gt=at)
        return self.published().filter(open_end, valid_from__lte=at)


class Tariff(models.Model):
    """One tariff of an organization, known to others by owner and id as OCPI names them, without case."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    country_code = models.CharField(max_length=2)
    party_id = models.CharField(max_length=3)
    ocpi_id = models.CharField(max_length=36)
    name = models.CharField(_("name"), max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TariffQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                "organization",
                Upper("country_code"),
                Upper("party_id"),
                Upper("ocpi_id"),
                condition=models.Q(retired_at=None),
                name="tariff_once_per_owner",
            )
        ]
        indexes = [
            models.Index(fields=["organization", "name", "id"], name="tariff_by_name"),
            models.Index(fields=["organization", "created_at", "id"], name="tariff_by_creation"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class TariffVersion(models.Model):
    """What a tariff says, as the text of an OCPI object with every digit kept.

    A draft can be changed; once published, its content never is (a trigger of migration 0001 refuses it), and
    only its end can still be set while that lies ahead. ``valid_from`` is inclusive, ``valid_to`` exclusive; a
    version that was withdrawn before it began has both equal.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=VersionState.choices, default=VersionState.DRAFT)
    document = models.TextField()
    currency = models.CharField(max_length=3, blank=True)
    valid_from = models.DateTimeField(null=True)
    valid_to = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    published_at = models.DateTimeField(null=True)
    published_by = models.CharField(max_length=200, blank=True)

    objects = TariffVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["tariff", "number"], name="tariff_version_number_once"),
            models.UniqueConstraint(
                fields=["tariff"], condition=models.Q(state="draft"), name="tariff_has_one_draft"
            ),
            models.CheckConstraint(
                condition=models.Q(state="draft", valid_from=None, valid_to=None, published_at=None)
                | models.Q(
                    state__in=["published", "retired"],
                    valid_from__isnull=False,
                    published_at__isnull=False,
                ),
                name="tariff_version_state_fits",
            ),
            models.CheckConstraint(
                condition=models.Q(valid_to=None) | models.Q(valid_to__gte=models.F("valid_from")),
                name="tariff_version_ends_after_start",
            ),
            ExclusionConstraint(
                name="tariff_versions_do_not_overlap",
                expressions=[
                    ("tariff", RangeOperators.EQUAL),
                    (Span("valid_from", "valid_to", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
                condition=~models.Q(state="draft"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tariff} · {self.number}"

    @property
    def organization_id(self) -> UUID:
        return self.tariff.organization_id

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def is_draft(self) -> bool:
        return self.state == VersionState.DRAFT

    @property
    def content(self) -> dict[str, Any]:
        """The OCPI object, figures as decimals."""
        return documents.loads(self.document)

    @property
    def priced(self) -> Priced:
        """As the engine takes it. Raises :class:`tariffs.pointers.InvalidDocument` for a draft that cannot be read."""
        return parsing.parse_tariff(self.content)

    def holds_at(self, at: datetime) -> bool:
        """Whether it is in force at that instant."""
        return (
            self.valid_from is not None
            and self.valid_from <= at
            and (not self.valid_to or at < self.valid_to)
        )
