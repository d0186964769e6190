"""``/organization/``: the key's own."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.models import Organization
from portal.api.resource import Resource, with_etag


class OrganizationView(serializers.Serializer):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    currency = serializers.CharField()
    time_zone = serializers.CharField()
    created_at = serializers.DateTimeField()


class OrganizationDetail(Resource):
    """The organization that the key belongs to."""

    scopes = {"read": "organization:read"}
    serializer_class = OrganizationView

    @extend_schema(operation_id="get_organization")
    def get(self, request: Request) -> Response:
        """Read the organization."""
        return with_etag(request, self.represent(Organization.objects.get(pk=self.actor.organization_id)))
