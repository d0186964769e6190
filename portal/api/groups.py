"""``/groups/``"""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from drivers.models import TokenGroup
from drivers.models.policies import MOST_AT_ONCE
from drivers.services import tokens
from portal.api.places import SitesShown, WithSites, written
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_defaults, with_etag
from portal.api.tokens import AT_ONCE

SCOPES = {"read": "groups:read", "write": "groups:write"}


class GroupFields(StrictSerializer):
    name = serializers.CharField(max_length=100)
    token = serializers.CharField(
        max_length=36, required=False, allow_blank=True, help_text="OCPP's group id, 1.6 parentIdTag"
    )
    master_pass = serializers.BooleanField(required=False, help_text="Its tokens may stop every session")

    sessions_at_once = serializers.IntegerField(
        min_value=0, max_value=MOST_AT_ONCE, required=False, allow_null=True, help_text=AT_ONCE
    )


class GroupBody(WithSites, GroupFields):
    pass


class GroupView(GroupFields):
    id = serializers.UUIDField()
    sites = SitesShown()
    created_at = serializers.DateTimeField()


class GroupFilter(filters.FilterSet):
    search = filters.CharFilter(field_name="name", lookup_expr="icontains")

    class Meta:
        model = TokenGroup
        fields = ["name", "token", "master_pass"]


class GroupList(ListResource):
    """Groups of tokens that may stop each other's sessions."""

    scopes = SCOPES
    serializer_class = GroupView
    filter_class = filterset_class = GroupFilter
    ordering_fields: ClassVar[tuple[str, ...]] = ("id", "name", "created_at")

    def rows(self) -> QuerySet[TokenGroup]:
        return TokenGroup.objects.live().visible_to(self.actor).prefetch_related("site_permissions")

    @extend_schema(operation_id="list_groups", responses=GroupView(many=True))
    def get(self, request: Request) -> Any:
        """List the groups."""
        return self.listing()

    @extend_schema(
        operation_id="create_group",
        request=GroupBody,
        responses={201: GroupView},
        examples=[OpenApiExample("A fleet", {"name": "Harbour fleet", "token": "FLEET1"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Create a group."""
        return self.once(self._create)

    def _create(self) -> Response:
        group = written(
            self.body(GroupBody), lambda rest: tokens.create_group(**rest, by=self.actor), self.actor
        )
        location = f"/api/v1/groups/{group.pk}/"
        return Response(self.represent(group), status=201, headers={"Location": location})


class GroupDetail(Resource):
    """One group."""

    scopes = SCOPES
    serializer_class = GroupView

    def _group(self, pk: UUID) -> TokenGroup:
        group: TokenGroup = found(TokenGroup.objects.live().visible_to(self.actor), pk)
        return group

    @extend_schema(operation_id="get_group")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a group."""
        return with_etag(request, self.represent(self._group(pk)), GroupBody)

    @extend_schema(operation_id="replace_group", request=GroupBody)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace what can be written of a group; what is left out goes back to its default."""
        group = self._group(pk)
        values = self.replacement(GroupBody, self.represent(group))
        values = with_defaults(values, TokenGroup, ("token", "master_pass", "sessions_at_once"))
        return self._changed(group, values, whole=True)

    @extend_schema(operation_id="change_group", request=GroupBody)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change some fields of a group."""
        group = self._group(pk)
        values = self.body(GroupBody, partial=True)
        return self._changed(group, values)

    def _changed(self, group: TokenGroup, values: dict[str, Any], *, whole: bool = False) -> Response:
        written(values, lambda rest: tokens.update_group(group, rest, by=self.actor), self.actor, whole=whole)
        return with_etag(self.request, self.represent(group), GroupBody)

    @extend_schema(operation_id="retire_group", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """End a group: its tokens stay and are in no group, its name is free again."""
        tokens.retire_group(self._group(pk), by=self.actor)
        return Response(status=204)
