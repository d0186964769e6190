"""Local authorization lists."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody


class SendLocalListBody(CommandBody):
    mode = serializers.ChoiceField(["full", "differential"], required=False, default="differential")


class GetLocalListVersionBody(CommandBody):
    pass


BODIES: Mapping[str, type[CommandBody]] = {
    "send_local_list": SendLocalListBody,
    "get_local_list_version": GetLocalListVersionBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "send_local_list": {"mode": "full"},
    "get_local_list_version": {},
}
