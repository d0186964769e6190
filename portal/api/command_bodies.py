"""What each command takes, as typed bodies; each becomes an intent (spec of the API, section Commands)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers

from drivers.models import TokenType
from portal.api.resource import StrictSerializer
from stations.domain import intents
from stations.domain.intents import Intent, VariableItem

TRIGGERS = [
    "boot_notification",
    "log_status_notification",
    "firmware_status_notification",
    "heartbeat",
    "meter_values",
    "sign_charging_station_certificate",
    "sign_v2g_certificate",
    "status_notification",
    "transaction_event",
    "sign_combined_certificate",
    "publish_firmware_status_notification",
    "diagnostics_status_notification",
]


class CommandBody(StrictSerializer):
    """What every command may say beside its own parameters."""

    command = serializers.CharField()
    expires_in = serializers.IntegerField(min_value=1, max_value=86_400, required=False, default=300)
    if_offline = serializers.ChoiceField(["fail", "wait"], required=False, default="fail")
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")

    def intent(self, values: Mapping[str, Any]) -> Intent:
        """The intent of validated values."""
        kind = intents.INTENTS[values["command"]]
        manners = {"command", "expires_in", "if_offline", "reason"}
        return kind(**{name: value for name, value in values.items() if name not in manners})


class EvseId(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=2**31 - 1, **options)


class TokenPart(StrictSerializer):
    value = serializers.CharField(max_length=255, allow_blank=True)
    type = serializers.ChoiceField(TokenType.choices, required=False, default="Central")


class RequestStartTransactionBody(CommandBody):
    evse_id = EvseId(required=False)
    token = TokenPart()
    charging_profile = serializers.DictField(required=False)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.RequestStartTransaction(
            evse_id=values.get("evse_id"),
            token_value=values["token"]["value"],
            token_type=values["token"]["type"],
            charging_profile=values.get("charging_profile"),
        )


class RequestStopTransactionBody(CommandBody):
    transaction = serializers.UUIDField()

    def intent(self, values: Mapping[str, Any]) -> Intent:
        transaction: UUID = values["transaction"]
        return intents.RequestStopTransaction(transaction=transaction)


class ResetBody(CommandBody):
    kind = serializers.ChoiceField(["immediate", "on_idle"])
    evse_id = EvseId(required=False)


class UnlockConnectorBody(CommandBody):
    evse_id = EvseId()
    connector_id = EvseId(required=False, default=1)


class ChangeAvailabilityBody(CommandBody):
    operational_status = serializers.ChoiceField(["operative", "inoperative"])
    evse_id = EvseId(required=False)
    connector_id = EvseId(required=False)


class TriggerMessageBody(CommandBody):
    message = serializers.ChoiceField(TRIGGERS)
    evse_id = EvseId(required=False)
    connector_id = EvseId(required=False)


class ItemPart(StrictSerializer):
    component = serializers.CharField(max_length=50, required=False, default="")
    variable = serializers.CharField(max_length=50)
    instance = serializers.CharField(max_length=50, required=False, default="")
    evse_id = EvseId(required=False)
    attribute = serializers.ChoiceField(
        ["Actual", "Target", "MinSet", "MaxSet"], required=False, default="Actual"
    )


class ItemWithValue(ItemPart):
    value = serializers.CharField(max_length=2500, allow_blank=True, trim_whitespace=False)


class GetVariablesBody(CommandBody):
    items = ItemPart(many=True, allow_empty=True)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.GetVariables(items=tuple(VariableItem(**item) for item in values["items"]))


class SetVariablesBody(CommandBody):
    items = ItemWithValue(many=True, allow_empty=False)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.SetVariables(items=tuple(VariableItem(**item) for item in values["items"]))


class GetBaseReportBody(CommandBody):
    kind = serializers.ChoiceField(["configuration_inventory", "full_inventory", "summary_inventory"])


class CallBody(CommandBody):
    action = serializers.CharField(max_length=60)
    payload = serializers.DictField()


BODIES: Mapping[str, type[CommandBody]] = {
    "request_start_transaction": RequestStartTransactionBody,
    "request_stop_transaction": RequestStopTransactionBody,
    "reset": ResetBody,
    "unlock_connector": UnlockConnectorBody,
    "change_availability": ChangeAvailabilityBody,
    "trigger_message": TriggerMessageBody,
    "get_variables": GetVariablesBody,
    "set_variables": SetVariablesBody,
    "get_base_report": GetBaseReportBody,
    "call": CallBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "request_start_transaction": {"evse_id": 1, "token": {"value": "04A2B3C4D5E6F7", "type": "ISO14443"}},
    "request_stop_transaction": {"transaction": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"},
    "reset": {"kind": "on_idle", "if_offline": "wait", "expires_in": 3600},
    "unlock_connector": {"evse_id": 1, "connector_id": 1},
    "change_availability": {"operational_status": "inoperative", "evse_id": 1},
    "trigger_message": {"message": "status_notification", "evse_id": 1},
    "get_variables": {"items": [{"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval"}]},
    "set_variables": {"items": [{"variable": "HeartbeatInterval", "value": "300"}]},
    "get_base_report": {"kind": "full_inventory"},
    "call": {"action": "ClearCache", "payload": {}},
}
