"""Any action in the words of the station's version, for experts."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody


@extend_schema_field({"type": "object", "additionalProperties": True})
class Payload(serializers.DictField):
    """The request as OCPP has it; checked against the schema of the station's version."""


class CallBody(CommandBody):
    action = serializers.CharField(max_length=60)
    payload = Payload()


BODIES: Mapping[str, type[CommandBody]] = {
    "call": CallBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "call": {"action": "ClearCache", "payload": {}},
}
