"""Reserving an EVSE and taking the reservation back."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody, EvseId, TokenPart
from stations.domain import intents
from stations.domain.intents import Intent


class ReserveNowBody(CommandBody):
    evse_id = EvseId(required=False)
    connector_type = serializers.CharField(max_length=20, required=False, default="")
    token = TokenPart()
    expires_at = serializers.DateTimeField()

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.ReserveNow(
            evse_id=values.get("evse_id"),
            connector_type=values["connector_type"],
            token_value=values["token"]["value"],
            token_type=values["token"]["type"],
            expires_at=values["expires_at"],
        )


class CancelReservationBody(CommandBody):
    reservation = serializers.UUIDField()


BODIES: Mapping[str, type[CommandBody]] = {
    "reserve_now": ReserveNowBody,
    "cancel_reservation": CancelReservationBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "reserve_now": {
        "evse_id": 1,
        "token": {"value": "04A2B3C4D5E6F7", "type": "ISO14443"},
        "expires_at": "2026-11-25T18:00:00Z",
    },
    "cancel_reservation": {"reservation": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"},
}
