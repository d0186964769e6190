"""Messages of vendors."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody
from portal.api.fields import AnyJson
from stations.domain import intents


class DataTransferBody(CommandBody):
    vendor_id = serializers.CharField(max_length=255)
    message_id = serializers.CharField(max_length=50, required=False, allow_blank=True, default="")
    data = AnyJson(
        required=False, allow_null=True, default=None, help_text="A text on OCPP 1.6, any JSON on 2.x"
    )


BODIES: Mapping[str, type[CommandBody]] = {intents.DataTransfer.name: DataTransferBody}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "data_transfer": {"vendor_id": "com.example", "message_id": "SetLight", "data": {"colour": "green"}}
}
