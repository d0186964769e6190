"""Controls for the grid and requests to swap batteries (OCPP 2.1)."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody, TokenPart
from portal.api.ocpp_types import DerSettings
from stations.domain import intents
from stations.domain.grid_support import FIELD_OF
from stations.domain.intents import Intent

TYPES = sorted(FIELD_OF)


class SetDerControlBody(CommandBody):
    control_type = serializers.ChoiceField(TYPES)
    settings = DerSettings(
        help_text="The object of SetDERControl that belongs to the type, such as `curve` or `freqDroop`."
    )
    is_default = serializers.BooleanField(required=False, default=False)
    control_id = serializers.CharField(max_length=36, required=False, default="")


class GetDerControlBody(CommandBody):
    control_type = serializers.ChoiceField(TYPES, required=False, default="")
    control_id = serializers.CharField(max_length=36, required=False, default="")
    is_default = serializers.BooleanField(required=False, allow_null=True, default=None)


class ClearDerControlBody(CommandBody):
    is_default = serializers.BooleanField(required=False, default=False)
    control_type = serializers.ChoiceField(TYPES, required=False, default="")
    control_id = serializers.CharField(max_length=36, required=False, default="")


class RequestBatterySwapBody(CommandBody):
    token = TokenPart()

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.RequestBatterySwap(
            token_value=values["token"]["value"], token_type=values["token"]["type"]
        )


BODIES: Mapping[str, type[CommandBody]] = {
    "set_der_control": SetDerControlBody,
    "get_der_control": GetDerControlBody,
    "clear_der_control": ClearDerControlBody,
    "request_battery_swap": RequestBatterySwapBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "set_der_control": {
        "control_type": "FreqDroop",
        "settings": {
            "priority": 1,
            "overFreq": 50.2,
            "underFreq": 49.8,
            "overDroop": 5.0,
            "underDroop": 5.0,
            "responseTime": 2.0,
        },
        "is_default": True,
    },
    "get_der_control": {"control_type": "FreqDroop"},
    "clear_der_control": {"control_type": "FreqDroop", "is_default": True},
    "request_battery_swap": {"token": {"value": "04A2B3C4D5E6F7", "type": "ISO14443"}},
}
