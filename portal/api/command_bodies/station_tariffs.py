"""Tariffs that stations keep, and payments that begin on the web (OCPP 2.1)."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody, EvseId
from portal.api.ocpp_types import OcppTariff
from stations.domain import intents
from stations.domain.intents import Intent


class AnyEvse(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=2**31 - 1, help_text="0: all EVSEs", **options)


class SetDefaultTariffBody(CommandBody):
    tariff = OcppTariff(help_text="A TariffType of OCPP 2.1")
    evse_id = AnyEvse(required=False, default=0)


class ChangeTransactionTariffBody(CommandBody):
    transaction = serializers.UUIDField()
    tariff = OcppTariff(
        required=False,
        default=dict,
        help_text="A TariffType of OCPP 2.1; left out, that by which the session is billed. Another is refused",
    )


class GetTariffsBody(CommandBody):
    evse_id = AnyEvse(required=False, default=0)


class ClearTariffsBody(CommandBody):
    tariff_ids = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, default=list, max_length=500
    )
    evse_id = AnyEvse(required=False, allow_null=True, default=None)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return super().intent({**values, "tariff_ids": tuple(values["tariff_ids"])})


class NotifyWebPaymentStartedBody(CommandBody):
    evse_id = EvseId()
    timeout_s = serializers.IntegerField(min_value=1, max_value=3600)


BODIES: Mapping[str, type[CommandBody]] = {
    intents.SetDefaultTariff.name: SetDefaultTariffBody,
    intents.ChangeTransactionTariff.name: ChangeTransactionTariffBody,
    intents.GetTariffs.name: GetTariffsBody,
    intents.ClearTariffs.name: ClearTariffsBody,
    intents.NotifyWebPaymentStarted.name: NotifyWebPaymentStartedBody,
}

_TARIFF = {"tariffId": "DAY-1", "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.45}]}}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "set_default_tariff": {"evse_id": 0, "tariff": _TARIFF},
    "change_transaction_tariff": {
        "transaction": "0192f3a4-5b6c-7d8e-9f01-23456789abcd",
        "tariff": _TARIFF,
    },
    "get_tariffs": {"evse_id": 0},
    "clear_tariffs": {"tariff_ids": ["DAY-1"]},
    "notify_web_payment_started": {"evse_id": 1, "timeout_s": 120},
}
