"""``/organization/``: the key's own."""

from django.db.transaction import atomic
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.models import Organization
from core.services import organizations
from portal.api.resource import Resource, StrictSerializer, require_match, with_etag


class OrganizationChange(StrictSerializer):
    name = serializers.CharField(max_length=100, required=False)
    currency = serializers.CharField(max_length=3, required=False, help_text="ISO 4217")
    time_zone = serializers.CharField(max_length=64, required=False, help_text="Of the IANA list")


class OrganizationView(serializers.Serializer):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    currency = serializers.CharField()
    time_zone = serializers.CharField()
    created_at = serializers.DateTimeField()


class OrganizationDetail(Resource):
    """The organization that the key belongs to."""

    scopes = {"read": "organization:read", "write": "organization:write"}
    serializer_class = OrganizationView

    @extend_schema(operation_id="get_organization")
    def get(self, request: Request) -> Response:
        """Read the organization."""
        return with_etag(request, self.represent(self._organization()), OrganizationChange)

    @extend_schema(
        operation_id="change_organization",
        request=OrganizationChange,
        examples=[OpenApiExample("Another name", {"name": "Harbour Power"}, request_only=True)],
    )
    def patch(self, request: Request) -> Response:
        """Change some fields of the organization."""
        values = self.body(OrganizationChange, partial=True)
        with atomic():
            organization = organizations.lock(self._organization())
            require_match(request, self.represent(organization), OrganizationChange)
            changed = organizations.update(organization, values, by=self.actor)
        return with_etag(request, self.represent(changed), OrganizationChange)

    def _organization(self) -> Organization:
        return Organization.objects.get(pk=self.actor.organization_id)
