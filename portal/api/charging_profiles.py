"""``/charging-profiles/``: what stations have; every change is a command to the station."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.charging_views import CompositeView, LimitView, Profile
from portal.api.command_bodies.smart_charging import KINDS, PROFILE, PURPOSES, PlaceId, ProfilePart
from portal.api.commands import CommandView
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search
from portal.api.stations import BelowStation
from stations.domain import intents
from stations.domain.intents import Intent
from stations.domain.smart_charging import CSO
from stations.models import ChargingLimit, ChargingStation, Command, CompositeSchedule, InstalledProfile
from stations.services import commands

SCOPES = {"read": "charging-profiles:read", "write": "charging-profiles:write"}
STATION = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
SENT = OpenApiResponse(
    CommandView, description="The command that says it to the station; read it at `Location`"
)


class NewProfileBody(StrictSerializer):
    station = OwnRow(ChargingStation.objects)
    evse_id = PlaceId(required=False, default=0)
    transaction = serializers.UUIDField(required=False)
    charging_profile = ProfilePart()


class ProfileBody(StrictSerializer):
    charging_profile = ProfilePart()


class ProfileChange(ProfilePart):
    """Any of a profile's fields; none has a default."""

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        for field in fields.values():
            field.required, field.default = False, empty
        return fields


class ProfileChangeBody(StrictSerializer):
    charging_profile = ProfileChange()


class InstalledProfileView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(source="station_id")
    evse_id = serializers.IntegerField(help_text="0 is the whole station")
    profile_id = serializers.IntegerField(help_text="OCPP's chargingProfileId")
    purpose = serializers.ChoiceField(PURPOSES)
    kind = serializers.ChoiceField(KINDS)
    stack_level = serializers.IntegerField()
    source = serializers.CharField(help_text="Who put it there: CSO is this portal")
    transaction = serializers.UUIDField(source="transaction_id", allow_null=True)
    charging_profile = Profile(source="content")
    installed_by = serializers.CharField(help_text="Empty where the station reported it")
    installed_at = serializers.DateTimeField()
    reported_at = serializers.DateTimeField(allow_null=True)


class LimitFilter(filters.FilterSet):
    holds = filters.BooleanFilter(field_name="cleared_at", lookup_expr="isnull")

    class Meta:
        model = ChargingLimit
        fields = ["evse_id", "source"]


class CompositeFilter(filters.FilterSet):
    class Meta:
        model = CompositeSchedule
        fields = ["evse_id"]


class InstalledProfileFilter(filters.FilterSet):
    station = filters.UUIDFilter(field_name="station_id")
    transaction = filters.UUIDFilter(field_name="transaction_id")
    search = Search("installed_by", "purpose")

    class Meta:
        model = InstalledProfile
        fields = ["evse_id", "profile_id", "purpose", "kind", "stack_level", "source"]


class LimitList(BelowStation):
    """Limits of others that the station told of."""

    scopes = {"read": SCOPES["read"]}
    serializer_class = LimitView
    filter_class = filterset_class = LimitFilter

    def rows(self) -> QuerySet[ChargingLimit]:
        return ChargingLimit.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_charging_limits", responses=LimitView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the limits, also those that were cleared."""
        return self.listing()


class CompositeList(BelowStation):
    """What the station makes of all its profiles, as it was last told."""

    scopes = {"read": SCOPES["read"]}
    serializer_class = CompositeView
    filter_class = filterset_class = CompositeFilter

    def rows(self) -> QuerySet[CompositeSchedule]:
        return CompositeSchedule.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_composite_schedules", responses=CompositeView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the composite schedules of the EVSEs and of the station (EVSE 0)."""
        return self.listing()


class Said(Resource):
    """A resource whose changes are commands."""

    def say(self, station: ChargingStation, intent: Intent) -> Response:
        command: Command = commands.issue(station, intent, by=self.actor)
        shown = CommandView(command, context={"actor": self.actor, "request": self.request}).data
        return Response(shown, status=202, headers={"Location": f"/api/v1/commands/{command.pk}/"})


class ChargingProfileList(Said, ListResource):
    """The charging profiles that stations have, as far as we know."""

    scopes = SCOPES
    serializer_class = InstalledProfileView
    filter_class = filterset_class = InstalledProfileFilter

    def rows(self) -> QuerySet[InstalledProfile]:
        return InstalledProfile.objects.live().visible_to(self.actor)

    @extend_schema(operation_id="list_charging_profiles", responses=InstalledProfileView(many=True))
    def get(self, request: Request) -> Any:
        """List the profiles, the newest first."""
        return self.listing()

    @extend_schema(
        operation_id="create_charging_profile",
        request=NewProfileBody,
        responses={202: SENT},
        examples=[
            OpenApiExample(
                "A default of 16 A",
                {"station": STATION, "evse_id": 1, "charging_profile": PROFILE},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Install a profile by a command. It is in the list once the station has taken it."""
        return self.once(self._install)

    def _install(self) -> Response:
        values = self.body(NewProfileBody)
        intent = intents.SetChargingProfile(
            charging_profile=values["charging_profile"],
            evse_id=values["evse_id"],
            transaction=values.get("transaction"),
        )
        return self.say(values["station"], intent)


class ChargingProfileDetail(Said):
    """One profile of one station."""

    fixed = ("station", "evse_id", "transaction")
    scopes: ClassVar[Mapping[str, str]] = SCOPES
    serializer_class = InstalledProfileView

    def _row(self, pk: UUID) -> InstalledProfile:
        rows = InstalledProfile.objects.live().visible_to(self.actor).select_related("station")
        row: InstalledProfile = found(rows, pk)
        return row

    @extend_schema(operation_id="get_charging_profile")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a profile."""
        return with_etag(request, self.represent(self._row(pk)))

    @extend_schema(operation_id="replace_charging_profile", request=ProfileBody, responses={202: SENT})
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace a profile of ours by a command, under the same number."""
        row = self._row(pk)
        values = self.replacement(ProfileBody, self.represent(row))
        return self._replace(row, values["charging_profile"])

    @extend_schema(operation_id="change_charging_profile", request=ProfileChangeBody, responses={202: SENT})
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change some fields of a profile of ours by a command; schedules are given as a whole."""
        row = self._row(pk)
        changes = self.body(ProfileChangeBody)["charging_profile"]
        kept = {name: value for name, value in row.content.items() if name != "transaction_reference"}
        return self._replace(row, {**kept, **changes})

    @extend_schema(operation_id="delete_charging_profile", responses={202: SENT})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Clear a profile by a command. It is gone from the list once the station has done so."""
        row = self._row(pk)
        return self.say(row.station, intents.ClearChargingProfile(charging_profile_id=row.profile_id))

    def _replace(self, row: InstalledProfile, profile: Mapping[str, Any]) -> Response:
        if row.source != CSO:
            raise serializers.ValidationError({"charging_profile": "Only profiles of ours can be changed."})
        intent = intents.SetChargingProfile(
            charging_profile={**profile, "id": row.profile_id},
            evse_id=row.evse_id,
            transaction=row.transaction_id,
        )
        return self.say(row.station, intent)
