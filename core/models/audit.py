"""The append-only log of who did what."""

from django.db import models

from core.models.people import Organization
from core.models.scoped import ScopedQuerySet


class AuditQuerySet(ScopedQuerySet["AuditEntry"]):
    pass


class AuditEntry(models.Model):
    """One act of one actor. The database refuses to change or delete a row (security.md W-27)."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=models.functions.Now(), db_index=True)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, null=True, db_index=False)
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=80)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=60)
    object_label = models.CharField(max_length=200)
    changes = models.JSONField(default=dict)
    reason = models.CharField(max_length=500, blank=True)
    address = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["organization", "-id"], name="audit_by_organization"),
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} {self.action} {self.object_label}"


class AuditSeal(models.Model):
    """One link of the chain over the audit: what the entry said, hashed with the link before.

    Links are numbered from 1 without a gap, in the order in which entries were found committed.
    Append-only like the entries; ``services.audit_chain`` makes and checks them.
    """

    number = models.BigIntegerField(primary_key=True)
    entry_id = models.BigIntegerField(unique=True)
    digest = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.number}:{bytes(self.digest).hex()}"


class AuditCheck(models.Model):
    """One walk over the chain: when, how far it reached, and what it found."""

    at = models.DateTimeField()
    links = models.BigIntegerField()
    through = models.DateTimeField(null=True)  # moment of the last linked entry
    findings = models.BigIntegerField()
    first_finding = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.links} links, {self.findings} findings"
