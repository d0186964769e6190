"""``/meter-keys/``: public keys that came with meters (billing B-61)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import MeterKey
from billing.services import signed_values
from core.models import Organization
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search


class MeterKeyBody(StrictSerializer):
    serial = serializers.CharField(max_length=50, help_text="As the meter's signed values name it (MS)")
    public_key = serializers.CharField(
        max_length=signed_values.LONGEST_KEY, help_text="Hex, base64 or PEM; in place of a former one"
    )


class MeterKeyView(serializers.Serializer):
    id = serializers.UUIDField()
    serial = serializers.CharField()
    public_key = serializers.CharField()
    registered_at = serializers.DateTimeField()
    registered_by = serializers.CharField()
    retired_at = serializers.DateTimeField(
        allow_null=True, help_text="Sessions that began before are still checked with it"
    )


class MeterKeyFilter(filters.FilterSet):
    retired = filters.BooleanFilter(field_name="retired_at", lookup_expr="isnull", exclude=True)
    search = Search("serial")

    class Meta:
        model = MeterKey
        fields = ["serial"]


class MeterKeyList(ListResource):
    """Keys of meters."""

    scopes = {"read": "organization:read", "write": "organization:write"}
    serializer_class = MeterKeyView
    filter_class = filterset_class = MeterKeyFilter

    def rows(self) -> QuerySet[MeterKey]:
        return MeterKey.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_meter_keys", responses=MeterKeyView(many=True))
    def get(self, request: Request) -> Any:
        """List the keys, newest first, retired ones included."""
        return self.listing()

    @extend_schema(operation_id="register_meter_key", request=MeterKeyBody, responses={201: MeterKeyView})
    def post(self, request: Request) -> Response:
        """Register the key of a meter; a serial number that has one gets this one instead."""
        return self.once(self._register)

    def _register(self) -> Response:
        organization = Organization.objects.get(pk=self.actor.home)
        made = signed_values.register_key(organization, **self.body(MeterKeyBody), by=self.actor)
        place = {"Location": f"/api/v1/meter-keys/{made.pk}/"}
        return Response(self.represent(made), status=201, headers=place)


class MeterKeyDetail(Resource):
    """One key."""

    scopes = {"read": "organization:read", "write": "organization:write"}
    serializer_class = MeterKeyView

    @extend_schema(operation_id="get_meter_key")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a key."""
        return with_etag(request, self.represent(self._key(pk)))

    @extend_schema(operation_id="retire_meter_key", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """The meter was taken out; sessions that began before are still checked with its key."""
        signed_values.retire_key(self._key(pk), by=self.actor)
        return Response(status=204)

    def _key(self, pk: UUID) -> MeterKey:
        key: MeterKey = found(MeterKey.objects.visible_to(self.actor), pk)
        return key
