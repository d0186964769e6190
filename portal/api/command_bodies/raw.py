"""Any action in the words of the station's version, for experts."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody


class CallBody(CommandBody):
    action = serializers.CharField(max_length=60)
    payload = serializers.DictField()


BODIES: Mapping[str, type[CommandBody]] = {
    "call": CallBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "call": {"action": "ClearCache", "payload": {}},
}
