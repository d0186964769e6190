"""``/sites/``"""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.db.transaction import atomic
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import countries
from core.errors import Invalid
from portal.api.named_tariffs import UNCHANGED, NamedTariff, TariffField, name, own_tariffs
from portal.api.resource import (
    ListResource,
    Resource,
    StrictSerializer,
    found,
    require_match,
    with_defaults,
    with_etag,
)
from stations.models import Site
from stations.services import sites

EXAMPLE = {"name": "Harbour garage", "address": "Am Kai 1", "city": "Hamburg", "country": "DE",
           "time_zone": "Europe/Berlin"}  # fmt: skip


class Country(serializers.CharField):
    """ISO 3166-1: two or three letters are taken, two are given."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return countries.alpha_2(text) if text else ""
        except Invalid as error:
            raise serializers.ValidationError(error.message) from error


class SiteBody(StrictSerializer):
    name = serializers.CharField(max_length=100)
    address = serializers.CharField(max_length=200, required=False, allow_blank=True)
    city = serializers.CharField(max_length=100, required=False, allow_blank=True)
    postal_code = serializers.CharField(max_length=20, required=False, allow_blank=True)
    country = Country(required=False, allow_blank=True)
    latitude = serializers.DecimalField(
        max_digits=9, decimal_places=6, min_value=-90, max_value=90, required=False, allow_null=True
    )
    longitude = serializers.DecimalField(
        max_digits=9, decimal_places=6, min_value=-180, max_value=180, required=False, allow_null=True
    )
    time_zone = serializers.CharField(max_length=64)
    public = serializers.BooleanField(required=False)
    free_cancellation = serializers.BooleanField(
        required=False, help_text="Reservations that are cancelled cost nothing"
    )
    tariff = TariffField(help_text="Needs the scope `tariffs:write` as well")


class SiteView(SiteBody):
    tariff = NamedTariff()
    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class SiteFilter(filters.FilterSet):
    search = filters.CharFilter(field_name="name", lookup_expr="icontains")

    class Meta:
        model = Site
        fields = ["name", "city", "country", "public"]


class SiteList(ListResource):
    """Places where stations stand."""

    scopes = {"read": "sites:read", "write": "sites:write"}
    serializer_class = SiteView
    filter_class = filterset_class = SiteFilter
    ordering_fields: ClassVar[tuple[str, ...]] = ("name", "created_at")

    def rows(self) -> QuerySet[Site]:
        return Site.objects.live().visible_to(self.actor).prefetch_related(own_tariffs())

    @extend_schema(operation_id="list_sites", responses=SiteView(many=True))
    def get(self, request: Request) -> Any:
        """List the sites."""
        return self.listing()

    @extend_schema(
        operation_id="create_site",
        request=SiteBody,
        responses={201: SiteView},
        examples=[OpenApiExample("A site", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Create a site."""
        return self.once(self._create)

    def _create(self) -> Response:
        values = self.body(SiteBody)
        tariff = values.pop("tariff", UNCHANGED)
        with atomic():
            site = sites.create(values, by=self.actor)
            name(site, tariff, by=self.actor)
        return Response(self.represent(site), status=201, headers={"Location": f"/api/v1/sites/{site.pk}/"})


class SiteDetail(Resource):
    """One site."""

    scopes = {"read": "sites:read", "write": "sites:write"}
    serializer_class = SiteView

    def _site(self, pk: UUID) -> Site:
        site: Site = found(Site.objects.live().visible_to(self.actor), pk)
        return site

    @extend_schema(operation_id="get_site")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a site."""
        return with_etag(request, self.represent(self._site(pk)), SiteBody)

    @extend_schema(operation_id="replace_site", request=SiteBody)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace what can be written of a site; what is left out goes back to its default."""
        values = self.replacement(SiteBody, self.represent(self._site(pk)))
        return self._change(pk, with_defaults(values, Site, sites.EDITABLE - {"name", "time_zone"}))

    @extend_schema(operation_id="change_site", request=SiteBody)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change some fields of a site."""
        self._site(pk)
        return self._change(pk, self.body(SiteBody, partial=True))

    @extend_schema(operation_id="retire_site", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Retire a site at which no station stands."""
        sites.retire(self._site(pk), by=self.actor)
        return Response(status=204)

    def _change(self, pk: UUID, values: dict[str, Any]) -> Response:
        with atomic():
            site = self._site(sites.lock(pk))
            require_match(self.request, self.represent(site), SiteBody)
            tariff = values.pop("tariff", UNCHANGED)
            changed = sites.update(site, values, by=self.actor)
            name(changed, tariff, by=self.actor)
        return with_etag(self.request, self.represent(changed), SiteBody)
