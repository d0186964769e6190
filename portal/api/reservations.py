"""``/reservations/``"""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.command_bodies.base import EvseId, TokenPart
from portal.api.fields import OwnRow, TokenShown, token_shown
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search
from stations.domain import intents
from stations.domain.reservations import ReservationStatus
from stations.models import ChargingStation, Command, Reservation
from stations.services import commands

STATES = [word.value for word in ReservationStatus]


class ReservationChange(StrictSerializer):
    """What can be changed of a reservation while it is open."""

    expires_at = serializers.DateTimeField()


class ReservationBody(ReservationChange):
    station = OwnRow(ChargingStation.objects)
    evse_id = EvseId(required=False)
    connector_type = serializers.CharField(max_length=20, required=False, default="")
    token = TokenPart()


class ReservationView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(source="station_id")
    ocpp_reservation_id = serializers.IntegerField(source="number")
    evse_id = serializers.IntegerField(source="evse.evse_id", allow_null=True, default=None)
    connector_type = serializers.CharField()
    token = serializers.SerializerMethodField()
    status = serializers.ChoiceField(STATES)
    detail = serializers.CharField()
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    ended_at = serializers.DateTimeField(allow_null=True)
    command = serializers.UUIDField(source="command_id", allow_null=True)
    transaction = serializers.UUIDField(source="transaction_id", allow_null=True)

    @extend_schema_field(TokenShown)
    def get_token(self, reservation: Reservation) -> dict[str, str]:
        shown = token_shown(reservation.token_value, self.context["actor"])
        return {"value": shown, "type": reservation.token_type}


class ReservationFilter(filters.FilterSet):
    station = filters.UUIDFilter(field_name="station_id")
    status = filters.ChoiceFilter(choices=[(word, word) for word in STATES])
    transaction = filters.UUIDFilter(field_name="transaction_id")
    search = Search("detail", "created_by")

    class Meta:
        model = Reservation
        fields: list[str] = []


class ReservationList(ListResource):
    """EVSEs kept free for somebody."""

    scopes = {"read": "reservations:read", "write": "reservations:write"}
    serializer_class = ReservationView
    filter_class = filterset_class = ReservationFilter

    def rows(self) -> QuerySet[Reservation]:
        return Reservation.objects.visible_to(self.actor).select_related("evse")

    @extend_schema(operation_id="list_reservations", responses=ReservationView(many=True))
    def get(self, request: Request) -> Any:
        """List the reservations, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="create_reservation",
        request=ReservationBody,
        responses={202: ReservationView},
        examples=[
            OpenApiExample(
                "An EVSE for an hour",
                {
                    "station": "0192f3a4-5b6c-7d8e-9f01-23456789abcd",
                    "evse_id": 1,
                    "token": {"value": "04A2B3C4D5E6F7", "type": "ISO14443"},
                    "expires_at": "2026-11-25T18:00:00Z",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Ask a station to keep an EVSE free. `status` tells what the station answered."""
        return self.once(self._create)

    def _create(self) -> Response:
        values = self.body(ReservationBody)
        intent = intents.ReserveNow(
            evse_id=values.get("evse_id"),
            connector_type=values["connector_type"],
            token_value=values["token"]["value"],
            token_type=values["token"]["type"],
            expires_at=values["expires_at"],
        )
        command = commands.issue(values["station"], intent, by=self.actor)
        reservation = self.rows().get(pk=command.parameters["reservation"])
        location = f"/api/v1/reservations/{reservation.pk}/"
        return Response(self.represent(reservation), status=202, headers={"Location": location})


class ReservationDetail(Resource):
    """One reservation."""

    fixed = ("station", "evse_id", "connector_type", "token")
    scopes = {"read": "reservations:read", "write": "reservations:write"}
    serializer_class = ReservationView

    def _reservation(self, pk: UUID) -> Reservation:
        rows = Reservation.objects.visible_to(self.actor).select_related("evse", "station")
        reservation: Reservation = found(rows, pk)
        return reservation

    @extend_schema(operation_id="get_reservation")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a reservation."""
        return with_etag(request, self.represent(self._reservation(pk)))

    @extend_schema(
        operation_id="replace_reservation", request=ReservationChange, responses={202: ReservationView}
    )
    def put(self, request: Request, pk: UUID) -> Response:
        """Change until when the reservation lasts; the station is asked again under the same number.

        The other fields may be given as they were read.
        """
        shown = self.represent(self._reservation(pk))
        return self._renew(pk, self.replacement(ReservationChange, shown))

    @extend_schema(
        operation_id="change_reservation", request=ReservationChange, responses={202: ReservationView}
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change until when the reservation lasts; the station is asked again under the same number."""
        self._reservation(pk)
        return self._renew(pk, self.body(ReservationChange))

    @extend_schema(operation_id="cancel_reservation", responses={202: ReservationView})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Ask the station to give the reservation up. It stays open where the station refuses."""
        reservation = self._reservation(pk)
        self._say(reservation, intents.CancelReservation(reservation=reservation.pk))
        return self._present(pk)

    def _renew(self, pk: UUID, values: dict[str, Any]) -> Response:
        reservation = self._reservation(pk)
        intent = intents.ReserveNow(
            reservation=reservation.pk,
            evse_id=reservation.evse.evse_id if reservation.evse else None,
            connector_type=reservation.connector_type,
            token_value=reservation.token_value,
            token_type=reservation.token_type,
            expires_at=values["expires_at"],
        )
        self._say(reservation, intent)
        return self._present(pk)

    def _say(self, reservation: Reservation, intent: intents.Intent) -> Command:
        return commands.issue(reservation.station, intent, by=self.actor)

    def _present(self, pk: UUID) -> Response:
        return Response(self.represent(self._reservation(pk)), status=202)
