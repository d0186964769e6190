"""``sites`` of tokens, drivers and groups: where they may charge (none: everywhere)."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.transaction import atomic
from rest_framework import serializers

from core.access import Actor
from portal.api.budgets import keep
from portal.api.fields import OwnRow
from stations.models import Site
from stations.services import site_permissions

HELP = "Where it may charge; empty: everywhere. Each of token, driver and their groups has to allow the site"
Thing = TypeVar("Thing", bound=site_permissions.Holder)


class WithSites(serializers.Serializer):
    """Written."""

    sites = serializers.ListField(
        child=OwnRow(Site.objects.live()), required=False, max_length=500, help_text=HELP
    )


class SitesShown(serializers.ListField):
    """Read; lists prefetch ``site_permissions``."""

    def __init__(self) -> None:
        super().__init__(
            child=serializers.UUIDField(), source="site_permissions.all", read_only=True, help_text=HELP
        )

    def to_representation(self, rows: Any) -> list[str]:
        return sorted(str(row.site_id) for row in rows)


def written(
    values: dict[str, Any], save: Callable[[dict[str, Any]], Thing], by: Actor, *, whole: bool = False
) -> Thing:
    """Save the values and the sites among them, together; ``whole``: sites that are left out become none."""
    sites = values.pop("sites", [] if whole else None)
    budgets = values.pop("budgets", [] if whole else None)
    with atomic():
        thing = save(values)
        keep(thing, budgets, by)
        if sites is not None:
            site_permissions.limit(thing, sites, by=by)
    return thing
