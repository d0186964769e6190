"""What the bodies of all commands share."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from drivers.models import TokenType
from portal.api.resource import StrictSerializer
from stations.domain import intents
from stations.domain.intents import Intent

MANNERS = frozenset({"command", "expires_in", "if_offline", "reason", "run_at", "repeat"})


class CommandBody(StrictSerializer):
    """What every command may say beside its own parameters."""

    command = serializers.CharField()
    expires_in = serializers.IntegerField(min_value=1, max_value=86_400, required=False, default=300)
    if_offline = serializers.ChoiceField(["fail", "wait"], required=False, default="fail")
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    run_at = serializers.DateTimeField(
        required=False, help_text="Not now: at this time, up to two years ahead"
    )
    repeat = serializers.CharField(
        max_length=200,
        required=False,
        help_text="Again and again, by a rule of RFC 5545 in the time zone of the station's site",
    )

    def intent(self, values: Mapping[str, Any]) -> Intent:
        """The intent of validated values."""
        kind = intents.INTENTS[values["command"]]
        return kind(**{name: value for name, value in values.items() if name not in MANNERS})


class EvseId(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=2**31 - 1, **options)


class TokenPart(StrictSerializer):
    value = serializers.CharField(max_length=255, allow_blank=True)
    type = serializers.ChoiceField(TokenType.choices, required=False, default="Central")
