"""Where a station connects to."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody
from portal.api.resource import StrictSerializer

INTERFACES = [
    *(f"{kind}{number}" for kind in ("Wired", "Wireless") for number in range(4)),
    "Any",
]


class ApnPart(StrictSerializer):
    apn = serializers.CharField(max_length=512)
    user = serializers.CharField(max_length=50, required=False)
    password = serializers.CharField(max_length=64, required=False)
    sim_pin = serializers.RegexField(r"^[0-9]{4,8}$", required=False)
    preferred_network = serializers.CharField(max_length=6, required=False)
    only_preferred = serializers.BooleanField(required=False)
    authentication = serializers.ChoiceField(["CHAP", "NONE", "PAP", "AUTO"])


class VpnPart(StrictSerializer):
    server = serializers.CharField(max_length=512)
    user = serializers.CharField(max_length=50)
    group = serializers.CharField(max_length=50, required=False)
    password = serializers.CharField(max_length=64)
    vpn_key = serializers.CharField(max_length=255)
    type = serializers.RegexField(r"^(IKEv2|IPSec|L2TP|PPTP)$")


class SetNetworkProfileBody(CommandBody):
    slot = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    url = serializers.RegexField(r"^wss?://[^\s]+$", max_length=2000)
    security_profile = serializers.IntegerField(min_value=0, max_value=3)
    interface = serializers.ChoiceField(INTERFACES, required=False, default="Wired0")
    message_timeout_s = serializers.IntegerField(min_value=1, max_value=3600, required=False, default=30)
    ocpp_version = serializers.RegexField(r"^(1\.6|2\.0\.1|2\.1)$", required=False, default="2.0.1")
    confirm_downgrade = serializers.BooleanField(required=False, default=False)
    identity = serializers.CharField(max_length=48, required=False)
    password = serializers.CharField(max_length=64, min_length=16, required=False, trim_whitespace=False)
    apn = ApnPart(required=False)
    vpn = VpnPart(required=False)


BODIES: Mapping[str, type[CommandBody]] = {
    "set_network_profile": SetNetworkProfileBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "set_network_profile": {
        "slot": 2,
        "url": "wss://portal.example.org/ocpp",
        "security_profile": 2,
        "interface": "Wired0",
    },
}
