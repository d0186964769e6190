"""``/tools/composite-schedule/``: what charging profiles allow together (energy section 3)."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import DomainError, Invalid
from portal.api.charging_views import ProfileShown
from portal.api.command_bodies.smart_charging import PROFILE, PlaceId
from portal.api.fields import Number
from portal.api.resource import Resource, StrictSerializer
from stations.domain.charging_rules import VOLTAGE_V, Abilities, check
from stations.domain.composite_schedules import LONGEST_S, Outlet, Placed, Window, composite
from stations.domain.smart_charging import RATE_UNITS, ChargingProfile, Purpose, profile_of
from tariffs.local_time import find_zone

EXAMPLE: Mapping[str, Any] = {
    "evse_id": 1,
    "start": "2026-12-01T00:00:00Z",
    "duration_s": 7200,
    "unit": "A",
    "evses": [{"evse_id": 1, "hardware_limit": 32}],
    "profiles": [{"evse_id": 1, "charging_profile": PROFILE}],
}


class OutletPart(StrictSerializer):
    evse_id = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    hardware_limit = serializers.FloatField(
        min_value=0, max_value=10_000_000, required=False, help_text="In the unit asked for"
    )
    session_started_at = serializers.DateTimeField(
        required=False, help_text="Left out: no session, so no profile of one holds"
    )


class PlacedPart(StrictSerializer):
    evse_id = PlaceId(required=False, default=0)
    charging_profile = ProfileShown()


class CompositeBody(StrictSerializer):
    evse_id = PlaceId(help_text="0: the station, whose `evses` are added up")
    start = serializers.DateTimeField()
    duration_s = serializers.IntegerField(min_value=1, max_value=LONGEST_S, required=False, default=86_400)
    unit = serializers.ChoiceField(RATE_UNITS, required=False, default="A")
    time_zone = serializers.CharField(
        required=False, default="UTC", help_text="Of the site; counts where a schedule recurs by local time"
    )
    voltage_v = serializers.IntegerField(
        min_value=100, max_value=1000, required=False, default=VOLTAGE_V, help_text="Line to neutral"
    )
    evses = OutletPart(many=True, required=False, max_length=50)
    profiles = PlacedPart(many=True, max_length=100)


class AllowedView(serializers.Serializer):
    start_s = serializers.IntegerField(help_text="Seconds from the begin of the window")
    limit = Number(allow_null=True, help_text="`null`: no profile and no hardware limit is known")
    number_phases = serializers.IntegerField(allow_null=True)


class CompositeAnswerView(serializers.Serializer):
    evse_id = serializers.IntegerField()
    starts_at = serializers.DateTimeField()
    duration_s = serializers.IntegerField()
    rate_unit = serializers.ChoiceField(RATE_UNITS)
    periods = AllowedView(many=True)


class CompositeScheduleTool(Resource):
    """The reckoning of profiles, for whoever wants to try some out before a station gets them."""

    scopes = {"POST": "tariffs:read"}
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = CompositeAnswerView

    @extend_schema(
        operation_id="composite_schedule",
        request=CompositeBody,
        responses={200: CompositeAnswerView},
        examples=[OpenApiExample("A default below the hardware", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Reckon what profiles allow together. Nothing is stored or sent.

        Of each profile its first schedule counts; priority charging and local generation of OCPP 2.1 are not counted.
        A station's own answer is asked for by the command `get_composite_schedule`.
        """
        return self.once(self._reckon)

    def _reckon(self) -> Response:
        body = self.body(CompositeBody)
        window = Window(
            start=body["start"],
            duration_s=body["duration_s"],
            unit=body["unit"],
            zone=find_zone(body["time_zone"]),
            voltage_v=body["voltage_v"],
        )
        outlets = [_outlet(one) for one in body.get("evses", ())]
        _require_different(outlets)
        profiles = [_placed(number, one) for number, one in enumerate(body["profiles"])]
        try:
            periods = composite(profiles, outlets, body["evse_id"], window)
        except OverflowError as error:
            raise Invalid("A time is too far away to be reckoned with.", field="profiles") from error
        answer = {
            "evse_id": body["evse_id"],
            "starts_at": window.start,
            "duration_s": window.duration_s,
            "rate_unit": window.unit,
            "periods": periods,
        }
        return Response(self.represent(answer))


def _outlet(one: Mapping[str, Any]) -> Outlet:
    limit = one.get("hardware_limit")
    return Outlet(
        evse_id=one["evse_id"],
        hardware=None if limit is None else Decimal(str(limit)),
        session_began=one.get("session_started_at"),
    )


def _require_different(outlets: list[Outlet]) -> None:
    if len({one.evse_id for one in outlets}) != len(outlets):
        raise serializers.ValidationError({"evses": "An EVSE stands here twice."})


def _placed(number: int, one: Mapping[str, Any]) -> Placed:
    """The profile by the rules of those that are sent; limits that others set may be told as well."""
    place = f"profiles/{number}"
    try:
        profile = profile_of(one["charging_profile"])
        check(_as_sent(profile), one["evse_id"], Abilities())
    except DomainError as error:
        raise Invalid(error.message, field=f"{place}/{error.field}") from error
    return Placed(evse_id=one["evse_id"], profile=profile)


def _as_sent(profile: ChargingProfile) -> ChargingProfile:
    return replace(profile, purpose=Purpose.TX_DEFAULT) if profile.purpose == Purpose.EXTERNAL else profile
