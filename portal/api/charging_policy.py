"""``/charging-policy/``: what holds for all tokens where neither token nor group says otherwise."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from drivers.models.policies import MOST_AT_ONCE
from drivers.services import policies
from portal.api.resource import Resource, StrictSerializer, with_etag


class PolicyBody(StrictSerializer):
    sessions_at_once = serializers.IntegerField(
        min_value=0, max_value=MOST_AT_ONCE, required=False, help_text="With one token; 0: any number"
    )
    any_card = serializers.BooleanField(
        required=False, help_text="Whether drivers may add cards that nobody made known here"
    )


class PolicyView(serializers.Serializer):
    sessions_at_once = serializers.IntegerField(help_text="With one token; 0: any number")
    any_card = serializers.BooleanField(help_text="Whether drivers may add cards that nobody made known here")


class ChargingPolicyDetail(Resource):
    """The organization's default for all tokens."""

    scopes = {"read": "tokens:read", "write": "tokens:write"}
    serializer_class = PolicyView

    @extend_schema(operation_id="get_charging_policy")
    def get(self, request: Request) -> Response:
        """Read the default."""
        return with_etag(request, self.represent(policies.of(self.actor.home)))

    @extend_schema(
        operation_id="change_charging_policy",
        request=PolicyBody,
        examples=[OpenApiExample("Two at once", {"sessions_at_once": 2}, request_only=True)],
    )
    def patch(self, request: Request) -> Response:
        """Change the default."""
        values = self.body(PolicyBody)
        return with_etag(request, self.represent(policies.change(**values, by=self.actor)))
