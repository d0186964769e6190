"""``/quirks/``"""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search
from stations.domain.treatment import TOLERANCES
from stations.models import Quirk
from stations.services import quirks

EXAMPLE = {
    "vendor": "Acme",
    "model": "Wall*",
    "reason": "Does not answer pings since firmware 1.4.",
    "firmware": "1.4.*",
    "tolerances": {"no_pong": True},
}


@extend_schema_field(
    {
        "type": "object",
        "properties": {name: {"type": "boolean"} for name in TOLERANCES},
        "additionalProperties": False,
    }
)
class Tolerances(serializers.DictField):
    """What is overlooked, by name."""


class QuirkBody(StrictSerializer):
    vendor = serializers.CharField(max_length=50, required=False, allow_blank=True)
    model = serializers.CharField(max_length=50, required=False, allow_blank=True)
    firmware = serializers.CharField(max_length=50, required=False, allow_blank=True)
    reason = serializers.CharField(max_length=500)
    enabled = serializers.BooleanField(required=False)
    lenient = serializers.BooleanField(required=False, allow_null=True)
    tolerances = Tolerances(child=serializers.BooleanField(), required=False)
    call_timeout_s = serializers.IntegerField(min_value=5, max_value=300, required=False, allow_null=True)
    ping_interval_s = serializers.IntegerField(min_value=0, max_value=3600, required=False, allow_null=True)
    energy_factor = serializers.DecimalField(
        max_digits=12, decimal_places=6, min_value=0, required=False, allow_null=True
    )


class QuirkView(QuirkBody):
    id = serializers.UUIDField()
    example = serializers.SerializerMethodField(help_text="Came with the product, in force nowhere")
    changed_by = serializers.CharField()
    changed_at = serializers.DateTimeField()

    def get_example(self, quirk: Quirk) -> bool:
        return quirk.organization_id is None


class QuirkFilter(filters.FilterSet):
    example = filters.BooleanFilter(field_name="organization", lookup_expr="isnull")
    search = Search("vendor", "model", "firmware", "reason")

    class Meta:
        model = Quirk
        fields = ["vendor", "model", "enabled"]


class QuirkList(ListResource):
    """How stations of a make are treated, and why."""

    scopes = {"read": "stations:read", "write": "stations:write"}
    serializer_class = QuirkView
    filter_class = filterset_class = QuirkFilter

    def rows(self) -> QuerySet[Quirk]:
        return Quirk.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_quirks", responses=QuirkView(many=True))
    def get(self, request: Request) -> Any:
        """List the quirks of the organization, and the examples that came with the product."""
        return self.listing()

    @extend_schema(
        operation_id="create_quirk",
        request=QuirkBody,
        responses={201: QuirkView},
        examples=[OpenApiExample("A quirk", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Create a quirk; it holds for stations from their next connection on."""
        return self.once(self._create)

    def _create(self) -> Response:
        quirk = quirks.create(self.body(QuirkBody), by=self.actor)
        return Response(
            self.represent(quirk), status=201, headers={"Location": f"/api/v1/quirks/{quirk.pk}/"}
        )


class QuirkDetail(Resource):
    """One quirk."""

    scopes: ClassVar[dict[str, str]] = {"read": "stations:read", "write": "stations:write"}
    serializer_class = QuirkView

    def _quirk(self, pk: UUID) -> Quirk:
        quirk: Quirk = found(Quirk.objects.visible_to(self.actor), pk)
        return quirk

    @extend_schema(operation_id="get_quirk")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a quirk."""
        return with_etag(request, self.represent(self._quirk(pk)), QuirkBody)

    @extend_schema(operation_id="change_quirk", request=QuirkBody)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change some fields of a quirk."""
        quirk = self._quirk(pk)
        values = self.body(QuirkBody, partial=True)
        return with_etag(request, self.represent(quirks.update(quirk, values, by=self.actor)), QuirkBody)

    @extend_schema(operation_id="delete_quirk", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Delete a quirk; its stations are treated as usual from their next connection on."""
        quirks.delete(self._quirk(pk), by=self.actor)
        return Response(status=204)
