"""Where tokens may charge: rows that point down to who is limited, since drivers know no sites."""

from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from drivers.models import Driver, DriverGroup, IdToken, TokenGroup
from stations.models.sites import Site

KINDS = ("token", "driver", "token_group", "driver_group")


def _of_one() -> Q:
    """Exactly one of the kinds is named."""
    either = Q()
    for kind in KINDS:
        either |= Q(**{f"{other}__isnull": other != kind for other in KINDS})
    return either


def _whose(model: type[models.Model]) -> Any:
    return models.ForeignKey(
        model, on_delete=models.CASCADE, null=True, related_name="site_permissions", db_index=False
    )


class SitePermissionQuerySet(ScopedQuerySet["SitePermission"]):
    pass


class SitePermission(models.Model):
    """One site at which a token, a driver or a group may charge. Who is named in no row may charge everywhere."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    site = models.ForeignKey(Site, on_delete=models.PROTECT)
    token = _whose(IdToken)
    driver = _whose(Driver)
    token_group = _whose(TokenGroup)
    driver_group = _whose(DriverGroup)

    objects = SitePermissionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(condition=_of_one(), name="site_permission_of_one"),
            *(
                models.UniqueConstraint(
                    fields=[kind, "site"], condition=~Q(**{kind: None}), name=f"site_permission_{kind}_once"
                )
                for kind in KINDS
            ),
        ]

    def __str__(self) -> str:
        return f"{self.token or self.driver or self.token_group or self.driver_group} · {self.site}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
