"""Any action in the words of the station's version, for experts."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody
from stations.domain.words import Version


@extend_schema_field({"type": "object", "additionalProperties": True})
class Payload(serializers.DictField):
    """The request as OCPP has it; checked against the schema of the station's version."""


class CallBody(CommandBody):
    """A request in the words of one version of OCPP; stations that speak another one are not told it."""

    action = serializers.CharField(max_length=60)
    payload = Payload()
    ocpp_version = serializers.ChoiceField(
        [version.value for version in Version],
        required=False,
        help_text="Only for stations that speak this version, also when they are told later",
    )


BODIES: Mapping[str, type[CommandBody]] = {
    "call": CallBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "call": {"action": "ClearCache", "payload": {}},
}
