"""What an actor may see is a queryset."""

from typing import ClassVar, Self, TypeVar

from django.db import models

from core.access import Actor, ActorKind

M = TypeVar("M", bound=models.Model)


class ScopedQuerySet(models.QuerySet[M]):
    """A queryset that knows where its rows' organization is, and what can limit an actor below it."""

    organization_path: ClassVar[str] = "organization_id"
    limit_path: ClassVar[str | None] = None

    def visible_to(self, actor: Actor) -> Self:
        """The rows in the actor's organization and within its limits."""
        if actor.kind is ActorKind.SYSTEM:
            return self.all()
        if actor.organization_id is None:
            return self.none()
        visible = self.filter(**{self.organization_path: actor.organization_id})
        if actor.limited_to is None or self.limit_path is None:
            return visible
        return visible.filter(**{f"{self.limit_path}__in": actor.limited_to})


class UndividedQuerySet(ScopedQuerySet[M]):
    """Rows of the organization as a whole, such as its money: who is limited to some sites sees none of them."""

    def visible_to(self, actor: Actor) -> Self:
        return super().visible_to(actor) if actor.limited_to is None else self.none()
