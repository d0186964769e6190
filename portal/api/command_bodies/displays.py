"""Messages on displays, and what a running session costs so far."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody, EvseId
from portal.api.resource import StrictSerializer
from stations.domain import intents
from stations.domain.displays import FORMATS, PRIORITIES, STATES, DisplayText
from stations.domain.intents import Intent


class DisplayTextPart(StrictSerializer):
    text = serializers.CharField(max_length=1024)
    language = serializers.CharField(max_length=8, required=False, allow_blank=True, default="")
    format = serializers.ChoiceField(FORMATS, required=False, default="utf8")


class SetDisplayMessageBody(CommandBody):
    texts = DisplayTextPart(
        many=True, allow_empty=False, max_length=5, help_text="More than one: OCPP 2.1 only"
    )
    priority = serializers.ChoiceField(PRIORITIES, required=False, default="normal_cycle")
    state = serializers.ChoiceField(["", *STATES], required=False, default="")
    starts_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    ends_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    transaction = serializers.UUIDField(required=False, allow_null=True, default=None)
    component = serializers.CharField(max_length=50, required=False, allow_blank=True, default="")
    component_instance = serializers.CharField(max_length=50, required=False, allow_blank=True, default="")
    evse_id = EvseId(required=False, allow_null=True, default=None)
    display_message = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="The message that this one replaces"
    )

    def intent(self, values: Mapping[str, Any]) -> Intent:
        texts = tuple(DisplayText(**one) for one in values["texts"])
        return super().intent({**values, "texts": texts})


class GetDisplayMessagesBody(CommandBody):
    numbers = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=2**31 - 1), required=False, default=list
    )
    priority = serializers.ChoiceField(["", *PRIORITIES], required=False, default="")
    state = serializers.ChoiceField(["", *STATES], required=False, default="")

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return super().intent({**values, "numbers": tuple(values["numbers"])})


class ClearDisplayMessageBody(CommandBody):
    display_message = serializers.UUIDField()


class CostUpdatedBody(CommandBody):
    transaction = serializers.UUIDField()
    total_cost = serializers.DecimalField(max_digits=14, decimal_places=4, min_value=0)


BODIES: Mapping[str, type[CommandBody]] = {
    intents.SetDisplayMessage.name: SetDisplayMessageBody,
    intents.GetDisplayMessages.name: GetDisplayMessagesBody,
    intents.ClearDisplayMessage.name: ClearDisplayMessageBody,
    intents.CostUpdated.name: CostUpdatedBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "set_display_message": {
        "texts": [{"text": "Parking is free while you charge.", "language": "en"}],
        "priority": "in_front",
        "state": "charging",
        "ends_at": "2026-12-31T23:00:00Z",
    },
    "get_display_messages": {"priority": "in_front"},
    "clear_display_message": {"display_message": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"},
    "cost_updated": {"transaction": "0192f3a4-5b6c-7d8e-9f01-23456789abcd", "total_cost": "4.20"},
}
