"""People (or companies) that charge, and the groups in which an operator keeps them."""

from typing import ClassVar
from uuid import UUID

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet, User
from drivers.models.blocks import Blockable


class DriverStatus(models.TextChoices):
    ACTIVE = "active", _("Active")
    BLOCKED = "blocked", _("Blocked")


class DriverGroupQuerySet(ScopedQuerySet["DriverGroup"]):
    def live(self) -> "DriverGroupQuerySet":
        """Without the retired ones."""
        return self.filter(retired_at=None)


class DriverGroup(models.Model):
    """Drivers that are treated alike, such as the staff of a tenant; not known to stations."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    name = models.CharField(_("name"), max_length=100)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DriverGroupQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                "organization",
                condition=models.Q(retired_at=None),
                name="driver_group_name_once",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "name", "id"], name="driver_group_by_name"),
            models.Index(fields=["organization", "created_at", "id"], name="driver_group_by_creation"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class DriverQuerySet(ScopedQuerySet["Driver"]):
    def live(self) -> "DriverQuerySet":
        """Without the retired ones."""
        return self.filter(retired_at=None)


class Driver(Blockable, models.Model):
    """Who charges: the holder of tokens, with or without an account to sign in.

    ``reference`` is the operator's own number for the driver, such as a customer or staff number. ``merged_into``:
    the row was a duplicate of that one, which is not merged into another.
    """

    UNBLOCKED: ClassVar[str] = DriverStatus.ACTIVE.value

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    user = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="drivers",
        verbose_name=_("account"),
    )
    name = models.CharField(_("name"), max_length=100)
    email = models.EmailField(_("e-mail address"), blank=True)
    language = models.CharField(_("language"), max_length=8, blank=True)
    reference = models.CharField(_("own reference"), max_length=64, blank=True)
    group = models.ForeignKey(
        DriverGroup,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="drivers",
        verbose_name=_("group"),
    )
    status = models.CharField(
        _("status"), max_length=8, default=DriverStatus.ACTIVE, choices=DriverStatus.choices
    )
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)
    merged_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, editable=False, db_index=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DriverQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                Lower("reference"),
                "organization",
                condition=models.Q(retired_at=None) & ~models.Q(reference=""),
                name="driver_reference_once",
            ),
            models.UniqueConstraint(
                fields=["organization", "user"],
                condition=models.Q(retired_at=None),
                name="driver_account_once",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=DriverStatus.values), name="driver_status_known"
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "name", "id"], name="driver_by_name"),
            models.Index(fields=["organization", "created_at", "id"], name="driver_by_creation"),
            models.Index(
                fields=["merged_into"], condition=models.Q(merged_into__isnull=False), name="driver_merged"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def audit_label(self) -> str:
        """How the audit, which nothing can be erased from, calls the driver: not by name."""
        return f"Driver …{str(self.id)[-8:]}"
