"""What an import of tokens and drivers did, kept as long as it can be taken back."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import models
from django.db.models import Q

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from drivers.models.drivers import Driver
from drivers.models.tokens import IdToken

UNDO_FOR = timedelta(days=7)


class TokenImportQuerySet(ScopedQuerySet["TokenImport"]):
    pass


class TokenImport(models.Model):
    """One import. ``kept`` counts what stayed when it was taken back, since it had been changed or used."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False)
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()
    created = models.PositiveIntegerField()
    updated = models.PositiveIntegerField()
    drivers = models.PositiveIntegerField()
    undone_by = models.CharField(max_length=200, blank=True)
    undone_at = models.DateTimeField(null=True)
    kept = models.PositiveIntegerField(null=True)

    objects = TokenImportQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(undone_at=None, kept=None, undone_by="")
                | Q(undone_at__isnull=False, kept__isnull=False, undone_by__gt=""),
                name="token_import_undone_by_someone",
            )
        ]
        indexes = [models.Index(fields=["organization", "-id"], name="token_import_newest")]

    def __str__(self) -> str:
        return f"Import …{str(self.id)[-8:]}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def undo_until(self) -> datetime:
        return self.made_at + UNDO_FOR


class ImportedRow(models.Model):
    """A token or driver that an import made or changed.

    ``before`` holds what a changed token was, and is empty for what was made; ``digest`` tells whether it still is
    as the import left it. ``kept_because`` says why it stayed when the import was taken back.
    """

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey(TokenImport, on_delete=models.CASCADE, related_name="rows", db_index=False)
    token = models.ForeignKey(IdToken, on_delete=models.CASCADE, null=True, related_name="+")
    driver = models.ForeignKey(Driver, on_delete=models.CASCADE, null=True, related_name="+")
    before = models.JSONField(null=True)
    digest = models.CharField(max_length=64)
    kept_because = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(token=None) ^ Q(driver=None), name="imported_row_of_one"),
            models.UniqueConstraint(
                fields=["batch", "token"], condition=~Q(token=None), name="imported_token_once"
            ),
            models.UniqueConstraint(
                fields=["batch", "driver"], condition=~Q(driver=None), name="imported_driver_once"
            ),
        ]
        indexes = [models.Index(fields=["batch", "id"], name="imported_row_by_batch")]

    def __str__(self) -> str:
        return f"{self.batch} · {self.token_id or self.driver_id}"
