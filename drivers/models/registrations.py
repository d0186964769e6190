"""A driver says “this card is mine”; believed once the card was held to the charger that was named."""

from uuid import UUID

from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from drivers.models.drivers import Driver
from drivers.models.tokens import IdToken


class CardRegistrationState(models.TextChoices):
    OPEN = "open", _("waits for the card")
    LINKED = "linked", _("added")
    EXPIRED = "expired", _("the card was not held to the charger in time")
    REFUSED = "refused", _("the card cannot be added")


class CardRegistrationQuerySet(ScopedQuerySet["CardRegistration"]):
    def open(self) -> "CardRegistrationQuerySet":
        return self.filter(state=CardRegistrationState.OPEN)


class CardRegistration(models.Model):
    """Open for some minutes. ``station`` is the id of where the card has to be shown; this room knows no stations."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    driver = models.ForeignKey(Driver, on_delete=models.CASCADE, related_name="registrations", db_index=False)
    value = models.CharField(max_length=255)
    label = models.CharField(max_length=100, blank=True)
    station = models.UUIDField()
    state = models.CharField(
        max_length=8, choices=CardRegistrationState.choices, default=CardRegistrationState.OPEN
    )
    token = models.ForeignKey(IdToken, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = CardRegistrationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["driver"], condition=models.Q(state="open"), name="card_registration_open_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state="open") ^ models.Q(ended_at__isnull=False),
                name="card_registration_ends",
            ),
        ]
        indexes = [
            models.Index(fields=["driver", "-id"], name="card_registration_newest"),
            models.Index(
                "organization",
                Upper("value"),
                condition=models.Q(state="open"),
                name="card_registration_by_value",
            ),
        ]

    def __str__(self) -> str:
        return f"Registration …{str(self.id)[-8:]}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
