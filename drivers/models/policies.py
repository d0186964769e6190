"""What an organization wants of all its tokens, where neither token nor group says otherwise."""

from uuid import UUID

from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.access import EVERYWHERE
from core.models import Organization, ScopedQuerySet

MOST_AT_ONCE = 1000
ANY_NUMBER = 0
"""As many sessions at once as anybody likes."""


def at_once_field(**options: object) -> "models.PositiveSmallIntegerField[int | None, int | None]":
    """Sessions that may run at once with one token; empty where another place says it, 0 for any number."""
    return models.PositiveSmallIntegerField(
        _("sessions at once"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_AT_ONCE)],
        **options,  # type: ignore[arg-type]
    )


class ChargingPolicyQuerySet(ScopedQuerySet["ChargingPolicy"]):
    pass


class ChargingPolicy(models.Model):
    """The organization's default: how many sessions may run at once with one token (0: any number).

    ``any_card``: whether drivers may add cards that nobody made known here; else only the operator's that nobody has.
    """

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, primary_key=True)
    sessions_at_once = models.PositiveSmallIntegerField(
        _("sessions at once"), default=1, validators=[MaxValueValidator(MOST_AT_ONCE)]
    )

    any_card = models.BooleanField(_("drivers may add cards of their own"), default=False, db_default=False)

    objects = ChargingPolicyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.organization} · {self.sessions_at_once}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
