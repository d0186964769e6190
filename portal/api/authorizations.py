"""``/authorizations/``: what was answered about tokens, and why."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from drivers.authorization import Rule, Verdict
from portal.api.resource import ListResource
from portal.api.searching import Search
from stations.domain.words import Asked
from stations.models import AuthorizationAnswer


class AuthorizationView(serializers.Serializer):
    id = serializers.UUIDField()
    at = serializers.DateTimeField()
    station = serializers.UUIDField(source="station_id")
    evse_id = serializers.IntegerField(allow_null=True)
    transaction = serializers.UUIDField(source="transaction_id", allow_null=True)
    ocpp_version = serializers.CharField()
    asked = serializers.ChoiceField(
        [word.value for word in Asked], help_text="What the token was shown for; remote_start was asked by us"
    )
    value = serializers.CharField(source="token_value", help_text="As it was shown")
    type = serializers.CharField(source="token_type", help_text="Empty where the protocol names none (1.6)")
    token = serializers.UUIDField(source="token_id", allow_null=True)
    driver = serializers.UUIDField(source="driver_id", allow_null=True)
    verdict = serializers.ChoiceField([word.value for word in Verdict])
    rule = serializers.ChoiceField([word.value for word in Rule], help_text="What decided")
    reason = serializers.CharField(help_text="The sentence of that moment")


class AuthorizationFilter(filters.FilterSet):
    station = filters.UUIDFilter(field_name="station_id")
    site = filters.UUIDFilter(field_name="site_id")
    token = filters.UUIDFilter(field_name="token_id")
    driver = filters.UUIDFilter(field_name="driver_id")
    value = filters.CharFilter(field_name="token_value", lookup_expr="iexact")
    accepted = filters.BooleanFilter(method="by_outcome", label="Accepted ones, or refused ones")
    at_after = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    at_before = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")
    search = Search("reason")

    class Meta:
        model = AuthorizationAnswer
        fields: ClassVar[list[str]] = ["asked", "verdict", "rule"]

    def by_outcome(self, rows: Any, name: str, value: bool) -> Any:
        accepted = {"verdict": Verdict.ACCEPTED.value}
        return rows.filter(**accepted) if value else rows.exclude(**accepted)


class AuthorizationList(ListResource):
    """The authorization log: every answer about a token, newest first, for 90 days."""

    scopes = {"read": "authorizations:read"}
    serializer_class = AuthorizationView
    filter_class = filterset_class = AuthorizationFilter

    def rows(self) -> QuerySet[AuthorizationAnswer]:
        return AuthorizationAnswer.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_authorizations", responses=AuthorizationView(many=True))
    def get(self, request: Request) -> Any:
        """List the answers about tokens."""
        return self.listing()
