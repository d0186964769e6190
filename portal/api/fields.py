"""Field types of the API: instants in UTC with ``Z``, exact decimals, what another organization owns is unknown."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.access import Actor, Permission


class Wh(serializers.DecimalField):
    """Energy in Wh as a JSON number, without trailing zeros."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=16, decimal_places=3, coerce_to_string=False, **options)


class Number(serializers.DecimalField):
    """A measured figure as a JSON number."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=16, decimal_places=3, coerce_to_string=False, **options)


@extend_schema_field({"type": "object", "additionalProperties": True})
class JsonObject(serializers.JSONField):
    """A JSON object whose names are told elsewhere: by OCPP, or by who sent it."""


@extend_schema_field({"type": ["object", "array", "string", "number", "boolean"], "items": {}})
class AnyJson(serializers.JSONField):
    """Whatever JSON can hold."""


@extend_schema_field({"type": "array", "items": {"type": "object", "additionalProperties": True}})
class JsonObjects(serializers.JSONField):
    """JSON objects whose names are told by OCPP."""


class TokenShown(serializers.Serializer):
    """A token by value and type; the value as far as the reader may see it."""

    value = serializers.CharField()
    type = serializers.CharField(help_text="Empty where the protocol names none (1.6)")


def token_shown(value: str, actor: Actor) -> str:
    """A token's value; for those who may not see personal data at most half of it, four characters at most."""
    if not value or actor.can(Permission.DRIVERS_VIEW):
        return value
    return f"…{value[max(len(value) - 4, len(value) - len(value) // 2) :]}"


class OwnRow(serializers.UUIDField):
    """The id of a row that the actor can see; others do not exist."""

    def __init__(self, manager: Any, **options: Any) -> None:
        super().__init__(**options)
        self.manager = manager
        self.looked_up: dict[UUID, Any] = {}

    def to_internal_value(self, data: Any) -> Any:
        pk: UUID = super().to_internal_value(data)
        if pk not in self.looked_up:
            self.looked_up[pk] = self._look_up(pk)
        if self.looked_up[pk] is None:
            raise serializers.ValidationError("There is no such object.", code="not_found")
        return self.looked_up[pk]

    def _look_up(self, pk: UUID) -> Any:
        actor: Actor = self.context["actor"]
        rows: QuerySet[Any] = self.manager.visible_to(actor)
        return rows.filter(pk=pk).first()

    def to_representation(self, value: Any) -> str:
        return str(getattr(value, "pk", value))
