"""What the API keeps of its own: answers under an idempotency key."""

from django.db import models

from core.models import Organization


class IdempotentAnswer(models.Model):
    """The first answer under an ``Idempotency-Key``, replayed for 24 hours (security.md W-15).

    A row without status is a request still at work. ``client`` is the key or person that asked.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    client = models.CharField(max_length=36, default="", db_default="")
    body_digest = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "route", "key"], name="idempotent_answer_once")
        ]

    def __str__(self) -> str:
        return f"{self.route} · {self.key}"
