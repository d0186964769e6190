"""``/stations/`` with what hangs below one: variables and connections."""

from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.transaction import atomic
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.fields import Number, OwnRow
from portal.api.named_tariffs import UNCHANGED, NamedTariff, TariffField, name, own_tariffs
from portal.api.permissions import holds
from portal.api.resource import (
    ListResource,
    Resource,
    StrictSerializer,
    found,
    require_match,
    with_defaults,
    with_etag,
)
from portal.api.searching import Search
from stations.domain.words import ConnectorStatus, Registration
from stations.models import ChargingStation, Connection, Site, Variable
from stations.services import provisioning, stations

EXAMPLE = {"identity": "CP-0001", "name": "Entrance left", "security_profile": 1}


RESET_BY_PUT = (
    "name",
    "enabled",
    "tags",
    "max_power_w",
    "pinned_version",
    "call_timeout_s",
    "free_vend",
    "free_evses",
)


class StationBody(StrictSerializer):
    identity = serializers.CharField(max_length=48, trim_whitespace=False)
    site = OwnRow(Site.objects, required=False)
    name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    security_profile = serializers.IntegerField(min_value=0, max_value=3, required=False)
    password = serializers.CharField(
        min_length=16, max_length=40, required=False, write_only=True, trim_whitespace=False
    )
    lenient = serializers.BooleanField(required=False)
    enabled = serializers.BooleanField(required=False)
    tags = serializers.ListField(child=serializers.CharField(max_length=40), max_length=50, required=False)
    registration = serializers.ChoiceField([word.value for word in Registration], required=False)
    max_power_w = serializers.IntegerField(min_value=0, required=False, allow_null=True)
    free_vend = serializers.BooleanField(required=False, help_text="Everybody may charge, known or not")
    free_evses = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**31 - 1),
        required=False,
        max_length=100,
        help_text="Numbers of the EVSEs at which everybody may charge",
    )
    pinned_version = serializers.ChoiceField(["", "1.6", "2.0.1", "2.1"], required=False)
    call_timeout_s = serializers.IntegerField(min_value=5, max_value=300, required=False, allow_null=True)
    tariff = TariffField(help_text="Needs the scope `tariffs:write` as well")


class StationChange(StationBody):
    """``identity`` cannot be changed; it is accepted where it is the present one."""

    identity = serializers.CharField(max_length=48, required=False, trim_whitespace=False)


class ConnectorView(serializers.Serializer):
    connector_id = serializers.IntegerField()
    type = serializers.CharField()
    status = serializers.CharField(help_text="The station's own word")
    error_code = serializers.CharField()
    max_power_w = serializers.IntegerField(allow_null=True)


class EvseView(serializers.Serializer):
    evse_id = serializers.IntegerField()
    code = serializers.CharField(help_text="Public code, as in /c/<code>")
    status = serializers.ChoiceField([word.value for word in ConnectorStatus], source="state")
    power_w = Number(allow_null=True)
    transaction = serializers.UUIDField(source="active_id", allow_null=True)
    connectors = ConnectorView(many=True, source="connectors.all")


class StationView(serializers.Serializer):
    id = serializers.UUIDField()
    identity = serializers.CharField()
    site = serializers.UUIDField(source="site_id")
    name = serializers.CharField()
    security_profile = serializers.IntegerField()
    lenient = serializers.BooleanField()
    enabled = serializers.BooleanField()
    tags = serializers.ListField(child=serializers.CharField())
    registration = serializers.ChoiceField([word.value for word in Registration])
    max_power_w = serializers.IntegerField(allow_null=True)
    free_vend = serializers.BooleanField()
    free_evses = serializers.ListField(child=serializers.IntegerField())
    pinned_version = serializers.CharField()
    call_timeout_s = serializers.IntegerField(allow_null=True)
    tariff = NamedTariff()
    connected = serializers.BooleanField(source="presence.connected")
    ocpp_version = serializers.CharField(source="presence.ocpp_version")
    vendor = serializers.CharField()
    model = serializers.CharField()
    serial_number = serializers.CharField()
    firmware_version = serializers.CharField()
    last_seen_at = serializers.DateTimeField(source="presence.last_seen_at", allow_null=True)
    connected_since = serializers.DateTimeField(source="presence.connected_since", allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    evses = EvseView(many=True, source="evses.all")


class NewStationView(StationView):
    password = serializers.CharField(required=False, help_text="Shown once, in the answer that made it")


class StationFilter(filters.FilterSet):
    status = filters.ChoiceFilter(choices=[(w.value, w.value) for w in ConnectorStatus], method="with_status")
    connected = filters.BooleanFilter(field_name="presence__connected")
    ocpp_version = filters.CharFilter(field_name="presence__ocpp_version")
    tag = filters.CharFilter(field_name="tags", lookup_expr="contains", method="with_tag")
    site = filters.UUIDFilter(field_name="site_id")
    search = filters.CharFilter(method="with_text")

    class Meta:
        model = ChargingStation
        fields = [
            "identity",
            "name",
            "security_profile",
            "vendor",
            "model",
            "serial_number",
            "firmware_version",
            "registration",
            "enabled",
        ]

    def with_status(self, rows: Any, name: str, value: str) -> Any:
        return rows.with_evse_in(value)

    def with_tag(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(tags__contains=[value])

    def with_text(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(
            Q(identity__icontains=value) | Q(name__icontains=value) | Q(serial_number__icontains=value)
        )


class StationList(ListResource):
    """Charging stations."""

    scopes = {"read": "stations:read", "write": "stations:write"}
    serializer_class = StationView
    filter_class = filterset_class = StationFilter
    ordering: ClassVar[tuple[str, ...]] = ("identity",)
    ordering_fields: ClassVar[tuple[str, ...]] = ("identity", "created_at", "name")

    def rows(self) -> QuerySet[ChargingStation]:
        rows = ChargingStation.objects.live().visible_to(self.actor).with_live_status()
        return rows.prefetch_related(own_tariffs())

    @extend_schema(operation_id="list_stations", responses=StationView(many=True))
    def get(self, request: Request) -> Any:
        """List the stations with their present state."""
        return self.listing()

    @extend_schema(
        operation_id="create_station",
        request=StationBody,
        responses={201: NewStationView},
        examples=[OpenApiExample("A station", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Create a station; a password that was made here is in this answer only."""
        return self.once(self._create)

    def _create(self) -> Response:
        values = self.body(StationBody)
        password = values.pop("password", None)
        _require_secret_scope(self, password)
        tariff = values.pop("tariff", UNCHANGED)
        with atomic():
            station, secret = stations.create(values, by=self.actor, password=password)
            name(station, tariff, by=self.actor)
        shown = self.represent(found(self.rows(), station.pk))
        if secret and password is None:
            shown = {**shown, "password": secret}
        return Response(shown, status=201, headers={"Location": f"/api/v1/stations/{station.pk}/"})


class StationDetail(Resource):
    """One station."""

    scopes = {"read": "stations:read", "write": "stations:write"}
    serializer_class = StationView

    def _station(self, pk: UUID) -> ChargingStation:
        rows = ChargingStation.objects.live().visible_to(self.actor).with_live_status()
        station: ChargingStation = found(rows, pk)
        return station

    @extend_schema(operation_id="get_station")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a station."""
        return with_etag(request, self.represent(self._station(pk)), StationBody)

    @extend_schema(operation_id="replace_station", request=StationBody)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace what can be written of a station; what is left out goes back to its default.

        Except where it stands and who may connect: `site`, `security_profile`, `registration` and the
        password stay where they are left out.
        """
        values = self.replacement(StationBody, self.represent(self._station(pk)))
        values.setdefault("lenient", settings.OCPP_DEFAULT_LENIENT)
        return self._change(pk, with_defaults(values, ChargingStation, RESET_BY_PUT))

    @extend_schema(operation_id="change_station", request=StationChange)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change some fields of a station."""
        self._station(pk)
        return self._change(pk, self.body(StationChange, partial=True))

    @extend_schema(operation_id="retire_station", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Retire a station: its history stays, its identity is free again, its socket is closed."""
        stations.retire(self._station(pk), by=self.actor)
        return Response(status=204)

    def _change(self, pk: UUID, values: dict[str, Any]) -> Response:
        with atomic():
            station = self._station(stations.lock(pk))
            require_match(self.request, self.represent(station), StationBody)
            self._apply(station, values)
        return with_etag(self.request, self.represent(self._station(pk)), StationBody)

    def _apply(self, station: ChargingStation, values: dict[str, Any]) -> None:
        if values.pop("identity", station.identity) != station.identity:
            raise serializers.ValidationError(
                {"identity": "An identity cannot be changed. Make a new station."}
            )
        password = values.pop("password", None)
        _require_secret_scope(self, password)
        registration = values.pop("registration", station.registration)
        name(station, values.pop("tariff", UNCHANGED), by=self.actor)
        stations.update(station, values, by=self.actor)
        if registration != station.registration:
            provisioning.decide(station, Registration(registration), by=self.actor)
        if password is not None:
            stations.new_password(station, by=self.actor, password=password)


def _require_secret_scope(view: Resource, password: str | None) -> None:
    if password is not None and not holds(view.actor, "security:write"):
        raise PermissionDenied("Setting a password needs the scope “security:write”.")


class BelowStation(ListResource):
    """A list that belongs to one station. What was written while it stood can be read after it was retired."""

    def station(self) -> ChargingStation:
        rows = ChargingStation.objects.visible_to(self.actor)
        rows = rows if self.request.method in SAFE_METHODS else rows.live()
        station: ChargingStation = found(rows, self.kwargs["pk"])
        return station


class VariableView(serializers.Serializer):
    component = serializers.CharField()
    component_instance = serializers.CharField()
    evse_id = serializers.IntegerField(allow_null=True)
    connector_id = serializers.IntegerField(allow_null=True)
    variable = serializers.CharField()
    instance = serializers.CharField(source="variable_instance")
    attribute = serializers.CharField()
    value = serializers.CharField(allow_null=True)
    mutability = serializers.CharField()
    data_type = serializers.CharField()
    unit = serializers.CharField()
    pending_value = serializers.CharField()
    min_limit = Number(allow_null=True)
    max_limit = Number(allow_null=True)
    values_list = serializers.CharField()
    changed_at = serializers.DateTimeField()
    reported_at = serializers.DateTimeField()


class VariableFilter(filters.FilterSet):
    search = Search("component", "variable")

    class Meta:
        model = Variable
        fields = ["component", "variable", "evse_id", "attribute"]


class VariableList(BelowStation):
    """The device model as last reported; 1.6 configuration keys are shown the same way."""

    scopes = {"read": "variables:read"}
    serializer_class = VariableView
    filter_class = filterset_class = VariableFilter
    ordering: ClassVar[tuple[str, ...]] = ("component", "variable", "id")

    def rows(self) -> QuerySet[Variable]:
        return Variable.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_variables", responses=VariableView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the variables of a station."""
        return self.listing()


class ConnectionView(serializers.Serializer):
    id = serializers.UUIDField()
    outcome = serializers.ChoiceField(Connection.Outcome.choices)
    address = serializers.CharField()
    ocpp_version = serializers.CharField()
    offered_protocols = serializers.CharField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    http_status = serializers.IntegerField(allow_null=True)
    close_code = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()
    detail = serializers.CharField()


class ConnectionFilter(filters.FilterSet):
    search = Search("identity", "address", "detail")

    class Meta:
        model = Connection
        fields = ["outcome", "reason"]


class ConnectionList(BelowStation):
    """Connects and disconnects with their reasons, refused handshakes too."""

    scopes = {"read": "connections:read"}
    serializer_class = ConnectionView
    filter_class = filterset_class = ConnectionFilter
    ordering: ClassVar[tuple[str, ...]] = ("-opened_at", "-id")

    def rows(self) -> QuerySet[Connection]:
        return Connection.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_connections", responses=ConnectionView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the connections of a station, newest first."""
        return self.listing()
