"""Charging profiles, composite schedules, priority and bidirectional charging."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody
from portal.api.ocpp_types import AbsolutePrices, PriceLevels, SalesTariff
from portal.api.resource import StrictSerializer
from stations.domain import intents
from stations.domain.intents import Intent
from stations.domain.smart_charging import (
    ENERGY_TRANSFERS,
    OPERATION_MODES,
    RATE_UNITS,
    RECURRENCIES,
    Kind,
    Purpose,
)

LARGEST = 2**31 - 1
PURPOSES = [word.value for word in Purpose]
KINDS = [word.value for word in Kind]
SENDABLE = [word.value for word in Purpose if word is not Purpose.EXTERNAL]


class PlaceId(serializers.IntegerField):
    """An EVSE, or 0 for the whole station."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=LARGEST, **options)


class ProfileId(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST, **options)


class Rate(serializers.FloatField):
    """A limit or setpoint in the unit of its schedule."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, allow_null=True, **options)


class FrequencyPart(StrictSerializer):
    frequency = serializers.FloatField()
    power = serializers.FloatField()


class SignalPart(StrictSerializer):
    signal = serializers.IntegerField()
    power = serializers.FloatField()


class UpdatePart(StrictSerializer):
    limit = Rate(min_value=0)
    limit_l2 = Rate(min_value=0)
    limit_l3 = Rate(min_value=0)
    discharge_limit = Rate(max_value=0)
    discharge_limit_l2 = Rate(max_value=0)
    discharge_limit_l3 = Rate(max_value=0)
    setpoint = Rate()
    setpoint_l2 = Rate()
    setpoint_l3 = Rate()
    setpoint_reactive = Rate()
    setpoint_reactive_l2 = Rate()
    setpoint_reactive_l3 = Rate()


class PeriodPart(UpdatePart):
    start_s = serializers.IntegerField(min_value=0, max_value=LARGEST)
    number_phases = serializers.IntegerField(min_value=1, max_value=3, required=False)
    phase_to_use = serializers.IntegerField(min_value=1, max_value=3, required=False)
    preconditioning_request = serializers.BooleanField(required=False)
    evse_sleep = serializers.BooleanField(required=False)
    v2x_baseline = Rate()
    operation_mode = serializers.ChoiceField(OPERATION_MODES, required=False)
    v2x_freq_watt_curve = FrequencyPart(many=True, required=False)
    v2x_signal_watt_curve = SignalPart(many=True, required=False)


class SocPart(StrictSerializer):
    soc = serializers.IntegerField(min_value=0, max_value=100)
    limit = serializers.FloatField()


class SchedulePart(StrictSerializer):
    id = ProfileId(required=False)
    rate_unit = serializers.ChoiceField(RATE_UNITS, help_text="A counts for each phase, W for all together")
    periods = PeriodPart(many=True, allow_empty=False)
    start_schedule = serializers.DateTimeField(required=False)
    duration_s = serializers.IntegerField(min_value=1, max_value=LARGEST, required=False)
    min_charging_rate = Rate(min_value=0)
    limit_at_soc = SocPart(required=False)
    power_tolerance = Rate()
    use_local_time = serializers.BooleanField(required=False)
    randomized_delay_s = serializers.IntegerField(min_value=0, max_value=LARGEST, required=False)
    sales_tariff = SalesTariff(required=False, help_text="As OCPP has it")
    absolute_price_schedule = AbsolutePrices(required=False, help_text="As OCPP 2.1 has it")
    price_level_schedule = PriceLevels(required=False, help_text="As OCPP 2.1 has it")


class ProfilePart(StrictSerializer):
    id = ProfileId(
        required=False, help_text="Left out: that of the profile in the same place, else a new one"
    )
    purpose = serializers.ChoiceField(SENDABLE)
    kind = serializers.ChoiceField(KINDS)
    stack_level = serializers.IntegerField(min_value=0, max_value=LARGEST, required=False, default=0)
    schedules = SchedulePart(many=True, allow_empty=False)
    recurrency = serializers.ChoiceField(RECURRENCIES, required=False)
    valid_from = serializers.DateTimeField(required=False)
    valid_to = serializers.DateTimeField(required=False)
    max_offline_duration_s = serializers.IntegerField(min_value=0, max_value=LARGEST, required=False)
    invalid_after_offline_duration = serializers.BooleanField(required=False)
    dyn_update_interval_s = serializers.IntegerField(min_value=1, max_value=LARGEST, required=False)
    dyn_update_time = serializers.DateTimeField(required=False)


class SetChargingProfileBody(CommandBody):
    evse_id = PlaceId(required=False, default=0)
    transaction = serializers.UUIDField(required=False)
    charging_profile = ProfilePart()


class ClearChargingProfileBody(CommandBody):
    charging_profile_id = ProfileId(required=False)
    evse_id = PlaceId(required=False)
    purpose = serializers.ChoiceField(SENDABLE, required=False)
    stack_level = serializers.IntegerField(min_value=0, max_value=LARGEST, required=False)


class GetChargingProfilesBody(CommandBody):
    evse_id = PlaceId(required=False)
    purpose = serializers.ChoiceField(PURPOSES, required=False)
    stack_level = serializers.IntegerField(min_value=0, max_value=LARGEST, required=False)
    charging_profile_ids = serializers.ListField(child=ProfileId(), max_length=100, required=False)
    sources = serializers.ListField(child=serializers.CharField(max_length=20), max_length=4, required=False)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.GetChargingProfiles(
            evse_id=values.get("evse_id"),
            purpose=values.get("purpose"),
            stack_level=values.get("stack_level"),
            charging_profile_ids=tuple(values.get("charging_profile_ids", ())),
            sources=tuple(values.get("sources", ())),
        )


class GetCompositeScheduleBody(CommandBody):
    evse_id = PlaceId(required=False, default=0)
    duration = serializers.IntegerField(min_value=1, max_value=7 * 86_400, required=False, default=86_400)
    unit = serializers.ChoiceField(RATE_UNITS, required=False)


class UsePriorityChargingBody(CommandBody):
    transaction = serializers.UUIDField()
    activate = serializers.BooleanField(required=False, default=True)


class UpdateDynamicScheduleBody(CommandBody):
    charging_profile_id = ProfileId()
    update = UpdatePart()


class NotifyAllowedEnergyTransferBody(CommandBody):
    transaction = serializers.UUIDField()
    allowed = serializers.ListField(child=serializers.ChoiceField(ENERGY_TRANSFERS), min_length=1)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        transaction: UUID = values["transaction"]
        return intents.NotifyAllowedEnergyTransfer(transaction=transaction, allowed=tuple(values["allowed"]))


class AfrrSignalBody(CommandBody):
    timestamp = serializers.DateTimeField()
    signal = serializers.IntegerField(min_value=-LARGEST, max_value=LARGEST)


BODIES: Mapping[str, type[CommandBody]] = {
    "set_charging_profile": SetChargingProfileBody,
    "clear_charging_profile": ClearChargingProfileBody,
    "get_charging_profiles": GetChargingProfilesBody,
    "get_composite_schedule": GetCompositeScheduleBody,
    "use_priority_charging": UsePriorityChargingBody,
    "update_dynamic_schedule": UpdateDynamicScheduleBody,
    "notify_allowed_energy_transfer": NotifyAllowedEnergyTransferBody,
    "afrr_signal": AfrrSignalBody,
}

SESSION = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
PROFILE: Mapping[str, Any] = {
    "purpose": "tx_default_profile",
    "kind": "absolute",
    "stack_level": 0,
    "schedules": [
        {
            "rate_unit": "A",
            "start_schedule": "2026-12-01T00:00:00Z",
            "periods": [{"start_s": 0, "limit": 16}, {"start_s": 3600, "limit": 10}],
        }
    ],
}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "set_charging_profile": {"evse_id": 1, "charging_profile": PROFILE},
    "clear_charging_profile": {"purpose": "tx_default_profile", "evse_id": 1},
    "get_charging_profiles": {"evse_id": 1},
    "get_composite_schedule": {"evse_id": 1, "duration": 86_400, "unit": "A"},
    "use_priority_charging": {"transaction": SESSION, "activate": True},
    "update_dynamic_schedule": {"charging_profile_id": 41, "update": {"setpoint": -2000}},
    "notify_allowed_energy_transfer": {"transaction": SESSION, "allowed": ["DC", "DC_BPT"]},
    "afrr_signal": {"timestamp": "2026-12-01T00:00:00Z", "signal": 3},
}
