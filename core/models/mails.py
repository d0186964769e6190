"""Mails on their way: a row of the transaction that causes them (promises.md M-05)."""

from django.db import models
from django.db.models.functions import Now

from core.ids import uuid7
from core.models.people import Organization
from core.models.scoped import ScopedQuerySet


class MailState(models.TextChoices):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class MailQuerySet(ScopedQuerySet["Mail"]):
    pass


class Mail(models.Model):
    """One mail to one address; ``about`` is the id of what it tells of, and there is one of a kind and ``about``.

    ``sealed`` holds address, subject and text, which may have a secret link in it, until the mail has left or was
    given up; it is empty from then on (security.md K-04, K-06).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=40)
    about = models.UUIDField()
    state = models.CharField(max_length=7, choices=MailState.choices, default=MailState.WAITING)
    sealed = models.TextField(blank=True)
    reason = models.CharField(max_length=300, blank=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)

    objects = MailQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["about", "kind"], name="mail_once"),
            models.CheckConstraint(
                condition=models.Q(state="waiting") | models.Q(sealed=""), name="mail_forgotten_once_done"
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=models.Q(state="waiting"), name="mail_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.kind} · {self.state}"
