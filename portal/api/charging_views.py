"""How limits, composite schedules and what cars ask for are shown."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.api.command_bodies.smart_charging import PURPOSES, PeriodPart, ProfilePart, SchedulePart
from portal.api.fields import AnyJson, JsonObject, Wh


@extend_schema_field(SchedulePart(many=True))
class Schedules(serializers.JSONField):
    """Schedules as they are kept: in our words already."""


@extend_schema_field(PeriodPart(many=True))
class Periods(serializers.JSONField):
    """Periods as they are kept."""


class ProfileShown(ProfilePart):
    """A profile that a station has; others than we may have put it there."""

    purpose = serializers.ChoiceField(PURPOSES)


@extend_schema_field(ProfileShown)
class Profile(serializers.JSONField):
    """A profile as it is kept, without the station's name for the session, which stands beside it."""

    def to_representation(self, value: Any) -> Any:
        return {name: part for name, part in value.items() if name != "transaction_reference"}


class LimitView(serializers.Serializer):
    evse_id = serializers.IntegerField(help_text="0 is the whole station")
    source = serializers.CharField(help_text="EMS, SO, CSO or Other; on OCPP 2.1 any word")
    grid_critical = serializers.BooleanField(allow_null=True)
    local_generation = serializers.BooleanField(allow_null=True)
    schedules = Schedules()
    notified_at = serializers.DateTimeField()
    cleared_at = serializers.DateTimeField(allow_null=True)


class CompositeView(serializers.Serializer):
    evse_id = serializers.IntegerField(help_text="0 is the whole station")
    rate_unit = serializers.CharField(help_text="A for each phase, or W; empty where there is no schedule")
    starts_at = serializers.DateTimeField()
    duration_s = serializers.IntegerField()
    periods = Periods()
    received_at = serializers.DateTimeField()


class PlanView(serializers.Serializer):
    energy_transfer = serializers.CharField(help_text="How the car wants its energy, OCPP's word")
    control_mode = serializers.CharField()
    departure_at = serializers.DateTimeField(allow_null=True)
    requested_wh = Wh(allow_null=True)
    soc_percent = serializers.IntegerField(allow_null=True)
    target_soc_percent = serializers.IntegerField(allow_null=True)
    needs = JsonObject(allow_null=True, help_text="All that the car said, as it was sent")
    needs_at = serializers.DateTimeField(allow_null=True)
    car_schedule = AnyJson(allow_null=True, help_text="What the car plans to take")
    car_schedule_at = serializers.DateTimeField(allow_null=True)
    car_keeps_to_limits = serializers.BooleanField(allow_null=True)
    priority = serializers.BooleanField(allow_null=True)
    allowed_transfers = serializers.ListField(child=serializers.CharField())
