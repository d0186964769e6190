"""``/tokens/``"""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from drivers.models import Driver, IdToken, TokenGroup, TokenStatus, TokenType
from drivers.models.policies import MOST_AT_ONCE
from drivers.services import tokens
from drivers.services.importing import CHANGEABLE
from portal.api.budgets import BudgetView, WithBudgets
from portal.api.fields import OwnRow
from portal.api.places import SitesShown, WithSites, written
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_defaults, with_etag
from stations.services import replacing

ENDS = "When the block is over by itself; null: it holds until somebody takes it back"
AT_ONCE = "Sessions at once with one token; null: as the group, else the organization, says; 0: any number"


class TokenFields(StrictSerializer):
    value = serializers.CharField(max_length=255)
    type = serializers.ChoiceField(TokenType.choices)
    label = serializers.CharField(max_length=100, required=False, allow_blank=True)
    driver = OwnRow(Driver.objects.live(), required=False, allow_null=True)
    group = OwnRow(TokenGroup.objects.live(), required=False, allow_null=True)
    status = serializers.ChoiceField(TokenStatus.choices, required=False)
    blocked_reason = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Kept while the token is blocked"
    )
    blocked_until = serializers.DateTimeField(required=False, allow_null=True, help_text=ENDS)
    valid_from = serializers.DateTimeField(required=False, allow_null=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    sessions_at_once = serializers.IntegerField(
        min_value=0, max_value=MOST_AT_ONCE, required=False, allow_null=True, help_text=AT_ONCE
    )


class TokenBody(WithBudgets, WithSites, TokenFields):
    pass


class TokenView(serializers.Serializer):
    id = serializers.UUIDField()
    value = serializers.CharField()
    type = serializers.ChoiceField(TokenType.choices)
    label = serializers.CharField()
    driver = serializers.UUIDField(source="driver_id", allow_null=True)
    group = serializers.UUIDField(source="group_id", allow_null=True)
    status = serializers.CharField(source="effective_status")
    blocked_reason = serializers.CharField(source="block_reason")
    blocked_until = serializers.DateTimeField(source="block_end", allow_null=True, help_text=ENDS)
    valid_from = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    sessions_at_once = serializers.IntegerField(allow_null=True, help_text=AT_ONCE)
    budgets = BudgetView(many=True, source="budgets.all")
    sites = SitesShown()
    created_at = serializers.DateTimeField()


class TokenFilter(filters.FilterSet):
    value = filters.CharFilter(field_name="value", lookup_expr="iexact")
    driver = filters.UUIDFilter(field_name="driver_id")
    group = filters.UUIDFilter(field_name="group_id")
    status = filters.ChoiceFilter(
        choices=TokenStatus.choices, method="of_status", help_text="As it is kept, whatever the driver's"
    )
    search = filters.CharFilter(method="with_text")

    class Meta:
        model = IdToken
        fields = ["type", "label"]

    def of_status(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(IdToken.of_status(value, clock.now()))

    def with_text(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(Q(value__icontains=value) | Q(label__icontains=value))


class TokenList(ListResource):
    """What drivers show to stations. A token needs no driver."""

    scopes = {"read": "tokens:read", "write": "tokens:write"}
    serializer_class = TokenView
    filter_class = filterset_class = TokenFilter
    ordering_fields: ClassVar[tuple[str, ...]] = ("value", "created_at")

    def rows(self) -> QuerySet[IdToken]:
        return (
            IdToken.objects.live()
            .visible_to(self.actor)
            .select_related("driver")
            .prefetch_related("site_permissions", "budgets")
        )

    @extend_schema(operation_id="list_tokens", responses=TokenView(many=True))
    def get(self, request: Request) -> Any:
        """List the tokens."""
        return self.listing()

    @extend_schema(
        operation_id="create_token",
        request=TokenBody,
        responses={201: TokenView},
        examples=[
            OpenApiExample("A card", {"value": "04A2B3C4D5E6F7", "type": "ISO14443"}, request_only=True)
        ],
    )
    def post(self, request: Request) -> Response:
        """Make a token known."""
        return self.once(self._create)

    def _create(self) -> Response:
        values = self.body(TokenBody)
        values["type_"] = values.pop("type")
        token = written(values, lambda rest: tokens.create(**rest, by=self.actor), self.actor)
        return Response(
            self.represent(token), status=201, headers={"Location": f"/api/v1/tokens/{token.pk}/"}
        )


class TokenDetail(Resource):
    """One token."""

    scopes = {"read": "tokens:read", "write": "tokens:write"}
    serializer_class = TokenView

    def _token(self, pk: UUID) -> IdToken:
        token: IdToken = found(IdToken.objects.live().visible_to(self.actor), pk)
        return token

    @extend_schema(operation_id="get_token")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a token."""
        return with_etag(request, self.represent(self._token(pk)), TokenBody)

    @extend_schema(operation_id="replace_token", request=TokenBody)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace what can be written of a token; what is left out goes back to its default."""
        token = self._token(pk)
        values = self.replacement(TokenBody, self.represent(token))
        if values.get("status") == token.effective_status():
            values["status"] = token.own_status  # read as expired by its date, which is not a status to keep
        values = with_defaults(values, IdToken, CHANGEABLE)
        return self._changed(token, values, whole=True)

    @extend_schema(operation_id="change_token", request=TokenBody)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change some fields of a token, such as its status."""
        values = self.body(TokenBody, partial=True)
        return self._changed(self._token(pk), values)

    def _changed(self, token: IdToken, values: dict[str, Any], *, whole: bool = False) -> Response:
        written(values, lambda rest: tokens.update(token, rest, by=self.actor), self.actor, whole=whole)
        return Response(self.represent(token))

    @extend_schema(operation_id="retire_token", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Forget a token; sessions keep what they say of it."""
        tokens.retire(self._token(pk), by=self.actor)
        return Response(status=204)


class ReplacementBody(StrictSerializer):
    value = serializers.CharField(max_length=255, help_text="Of the new token")
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True)


class TokenReplacement(Resource):
    """The successor of a lost token."""

    scopes = {"write": "tokens:write"}
    serializer_class = TokenView

    @extend_schema(operation_id="replace_lost_token", request=ReplacementBody, responses={201: TokenView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Block a token and make another one with all that was granted to it: driver, group, dates, sites."""
        return self.once(lambda: self._replace(pk))

    def _replace(self, pk: UUID) -> Response:
        token = found(IdToken.objects.live().visible_to(self.actor), pk)
        new = replacing.replace(token, **self.body(ReplacementBody), by=self.actor)
        location = f"/api/v1/tokens/{new.pk}/"
        return Response(self.represent(new), status=201, headers={"Location": location})
