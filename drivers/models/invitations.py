"""How a driver comes to an account: by a link that works once, mailed to the address the operator keeps."""

from datetime import datetime
from uuid import UUID

from django.db import models

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from drivers.models.drivers import Driver

OPEN = models.Q(accepted_at=None, withdrawn_at=None)


class DriverInvitationQuerySet(ScopedQuerySet["DriverInvitation"]):
    def open(self, now: datetime) -> "DriverInvitationQuerySet":
        """Those that can still be accepted."""
        return self.filter(OPEN, expires_at__gt=now, driver__retired_at=None)


class DriverInvitation(models.Model):
    """One link, of which only the hash is kept; ``email`` is what the account will be known by."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    driver = models.ForeignKey(Driver, on_delete=models.CASCADE, related_name="invitations", db_index=False)
    email = models.EmailField()
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    objects = DriverInvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["driver"], condition=OPEN, name="driver_invitation_open_once"),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(withdrawn_at=None),
                name="driver_invitation_ends_once",
            ),
        ]
        indexes = [models.Index(fields=["driver", "-id"], name="driver_invitation_newest")]

    def __str__(self) -> str:
        return f"Invitation …{str(self.id)[-8:]}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
