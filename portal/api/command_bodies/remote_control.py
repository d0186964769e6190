"""Start, stop, restart, unlock, availability, triggers."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody, EvseId, TokenPart
from portal.api.command_bodies.smart_charging import ProfilePart
from stations.domain import intents
from stations.domain.intents import Intent

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
    "sign_v2g20_certificate",
    "custom_trigger",
]
RESETS = ["immediate", "on_idle", "immediate_and_resume"]


class RequestStartTransactionBody(CommandBody):
    evse_id = EvseId(required=False)
    token = TokenPart()
    charging_profile = ProfilePart(required=False)

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
    kind = serializers.ChoiceField(RESETS)
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
    custom = serializers.CharField(max_length=50, required=False, help_text="The word of `custom_trigger`")


BODIES: Mapping[str, type[CommandBody]] = {
    "request_start_transaction": RequestStartTransactionBody,
    "request_stop_transaction": RequestStopTransactionBody,
    "reset": ResetBody,
    "unlock_connector": UnlockConnectorBody,
    "change_availability": ChangeAvailabilityBody,
    "trigger_message": TriggerMessageBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "request_start_transaction": {"evse_id": 1, "token": {"value": "04A2B3C4D5E6F7", "type": "ISO14443"}},
    "request_stop_transaction": {"transaction": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"},
    "reset": {"kind": "on_idle", "if_offline": "wait", "expires_in": 3600},
    "unlock_connector": {"evse_id": 1, "connector_id": 1},
    "change_availability": {"operational_status": "inoperative", "evse_id": 1},
    "trigger_message": {"message": "status_notification", "evse_id": 1},
}
