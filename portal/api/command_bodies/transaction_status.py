"""Asking a station how its sessions stand."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody


class GetTransactionStatusBody(CommandBody):
    transaction = serializers.UUIDField(
        required=False, help_text="Left out: only whether messages are queued"
    )


BODIES: Mapping[str, type[CommandBody]] = {"get_transaction_status": GetTransactionStatusBody}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "get_transaction_status": {"transaction": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}
}
