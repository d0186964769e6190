"""``/webhooks/`` and what became of their deliveries"""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.db.models import QuerySet
from django.db.transaction import atomic
from django.http import Http404
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.models import Delivery, Webhook
from core.services import deliveries, outbox, webhooks
from portal.api.event_data import EventData
from portal.api.events import EVENT_TYPES
from portal.api.resource import (
    ListResource,
    Resource,
    StrictSerializer,
    found,
    with_defaults,
    with_etag,
)
from portal.api.searching import Search
from stations.models import Site

SCOPES = {"read": "webhooks:read", "write": "webhooks:write"}
EXAMPLE = {
    "name": "Warehouse",
    "url": "https://hooks.example.org/charging",
    "types": ["transaction.started", "transaction.ended"],
}


class WebhookBody(StrictSerializer):
    url = serializers.CharField(
        max_length=2000,
        help_text="`https`, on port 443, at a public address, unless the deployment allows more",
    )
    name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    types = serializers.ListField(
        child=serializers.ChoiceField(sorted(outbox.SCOPE_OF)),
        max_length=100,
        required=False,
        help_text="Empty: all events",
    )
    sites = serializers.ListField(
        source="limits",
        child=serializers.UUIDField(),
        max_length=500,
        required=False,
        help_text="Empty: events of all sites, and those of none",
    )
    state = serializers.ChoiceField(
        Webhook.State.choices,
        required=False,
        help_text="While it is paused, events wait; `disabled` can be put back as it was read, and not be chosen",
    )

    def validate_sites(self, value: list[UUID]) -> list[UUID]:
        known = set(Site.objects.visible_to(self.context["actor"]).values_list("pk", flat=True))
        unknown = [one for one in value if one not in known]
        if unknown:
            raise serializers.ValidationError(f"There is no site “{unknown[0]}” in this organization.")
        return list(dict.fromkeys(value))


class WebhookView(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    url = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField())
    sites = serializers.ListField(child=serializers.UUIDField(), source="limits")
    state = serializers.ChoiceField(
        Webhook.State.choices, help_text="`disabled`: it failed for a day; `active` makes it send again"
    )
    failing_since = serializers.DateTimeField(allow_null=True)
    disabled_at = serializers.DateTimeField(allow_null=True)
    previous_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then the secret before the present one signs as well"
    )
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()


class NewWebhookView(WebhookView):
    secret = serializers.CharField(
        required=False, help_text="Shown once, in the answer that made it; it verifies signatures"
    )


class AttemptView(serializers.Serializer):
    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField()
    status_code = serializers.IntegerField(allow_null=True, help_text="Of the answer, if there was one")
    content_type = serializers.CharField()
    size_bytes = serializers.IntegerField(allow_null=True)
    failure = serializers.CharField(help_text="Empty where it arrived")


class DeliveryView(serializers.Serializer):
    number = serializers.IntegerField(source="event_id", help_text="The sequence of the event")
    event = serializers.UUIDField(source="event.uid", help_text="`webhook-id`, the same at every try")
    type = serializers.CharField(source="event.type")
    occurred_at = serializers.DateTimeField(source="event.occurred_at")
    status = serializers.ChoiceField(Delivery.Status.choices)
    tries = serializers.IntegerField()
    next_try_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)


class PostedView(serializers.Serializer):
    """What is posted."""

    type = serializers.ChoiceField(EVENT_TYPES)
    timestamp = serializers.DateTimeField()
    sequence = serializers.IntegerField(help_text="Grows in the order of events")
    data = EventData()


class DeliveryDetailView(DeliveryView):
    body = serializers.SerializerMethodField()
    attempts = AttemptView(many=True)

    @extend_schema_field(PostedView)
    def get_body(self, delivery: Delivery) -> dict[str, Any]:
        event = delivery.event
        sent: dict[str, Any] = orjson.loads(
            deliveries.body_of(event.type, event.occurred_at, event.pk, event.data)
        )
        return sent


class WebhookFilter(filters.FilterSet):
    search = filters.CharFilter(field_name="url", lookup_expr="icontains")

    class Meta:
        model = Webhook
        fields = ["name", "state"]


class WebhookList(ListResource):
    """Addresses that are told what happens, by signed requests."""

    scopes = SCOPES
    serializer_class = WebhookView
    filter_class = filterset_class = WebhookFilter
    ordering_fields: ClassVar[tuple[str, ...]] = ("id", "name")

    def rows(self) -> QuerySet[Webhook]:
        return Webhook.objects.live().visible_to(self.actor)

    @extend_schema(operation_id="list_webhooks", responses=WebhookView(many=True))
    def get(self, request: Request) -> Any:
        """List the webhooks."""
        return self.listing()

    @extend_schema(
        operation_id="create_webhook",
        request=WebhookBody,
        responses={201: NewWebhookView},
        examples=[OpenApiExample("Sessions to a warehouse", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Create a webhook. The answer holds its secret, once. A key must have the scopes of the events it asks for."""
        return self.once(self._create)

    def _create(self) -> Response:
        values = self.body(WebhookBody)
        state = values.pop("state", "active")
        with atomic():
            webhook, secret = webhooks.create(values, by=self.actor)
            webhooks.become(webhook, state, by=self.actor)
        location = f"/api/v1/webhooks/{webhook.pk}/"
        return Response(
            {**self.represent(webhook), "secret": secret}, status=201, headers={"Location": location}
        )


class BelowWebhook(Resource):
    """What belongs to one webhook."""

    def webhook(self) -> Webhook:
        row: Webhook = found(Webhook.objects.live().visible_to(self.actor), self.kwargs["pk"])
        return row


class WebhookDetail(BelowWebhook):
    """One webhook."""

    scopes = SCOPES
    serializer_class = WebhookView

    @extend_schema(operation_id="get_webhook")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a webhook."""
        return with_etag(request, self.represent(self.webhook()), WebhookBody)

    @extend_schema(operation_id="replace_webhook", request=WebhookBody)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace what can be written of a webhook; what is left out goes back to its default."""
        webhook = self.webhook()
        values = self.replacement(WebhookBody, self.represent(webhook))
        return self._change(webhook, with_defaults(values, Webhook, ("name", "types", "limits", "state")))

    @extend_schema(operation_id="change_webhook", request=WebhookBody)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change some fields of a webhook; `state` pauses it, and makes it send again."""
        webhook = self.webhook()
        return self._change(webhook, self.body(WebhookBody, partial=True))

    @extend_schema(operation_id="delete_webhook", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Delete a webhook; nothing is sent any more, also nothing of what waits."""
        webhooks.retire(self.webhook(), by=self.actor)
        return Response(status=204)

    def _change(self, webhook: Webhook, values: Mapping[str, Any]) -> Response:
        given = dict(values)
        state = given.pop("state", None)
        with atomic():
            webhook = webhooks.update(webhook, given, by=self.actor) if given else webhook
            if state is not None:
                webhook = webhooks.become(webhook, state, by=self.actor)
        return with_etag(self.request, self.represent(webhook), WebhookBody)


class SecretView(serializers.Serializer):
    secret = serializers.CharField(required=False, help_text="Shown once, in the answer that made it")
    previous_until = serializers.DateTimeField(help_text="Until then the former secret signs as well")


class WebhookRotation(BelowWebhook):
    """A new secret while the former one still signs."""

    scopes = SCOPES
    serializer_class = SecretView

    @extend_schema(operation_id="rotate_webhook_secret", request=None, responses={200: SecretView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Make a new secret; for 24 h each request has two signatures, one by each secret."""
        webhook = self.webhook()
        return self.once(lambda: self._rotate(webhook))

    def _rotate(self, webhook: Webhook) -> Response:
        secret = webhooks.rotate(webhook, by=self.actor)
        return Response({"secret": secret, "previous_until": webhook.previous_until})


class WebhookTest(BelowWebhook):
    """A trial."""

    scopes = SCOPES
    serializer_class = DeliveryView

    @extend_schema(operation_id="test_webhook", request=None, responses={202: DeliveryView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Send a `webhook.test` event to this webhook alone; read its delivery to see what came of it."""
        webhook = self.webhook()
        return self.once(lambda: self._test(webhook))

    def _test(self, webhook: Webhook) -> Response:
        delivery = webhooks.test(webhook, by=self.actor)
        location = f"/api/v1/webhooks/{webhook.pk}/deliveries/{delivery.event_id}/"
        return Response(self.represent(delivery), status=202, headers={"Location": location})


class DeliveryFilter(filters.FilterSet):
    type = filters.CharFilter(field_name="event__type")
    search = Search("event__type")

    class Meta:
        model = Delivery
        fields = ["status"]


class DeliveryList(ListResource, BelowWebhook):
    """What was or will be sent to a webhook."""

    scopes = {"read": "webhooks:read"}
    serializer_class = DeliveryView
    filter_class = filterset_class = DeliveryFilter

    def rows(self) -> QuerySet[Delivery]:
        return webhooks.deliveries_of(self.webhook(), by=self.actor)

    @extend_schema(operation_id="list_webhook_deliveries", responses=DeliveryView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the deliveries of a webhook, newest first. They are kept as long as events are."""
        return self.listing()


class BelowDelivery(BelowWebhook):
    """What belongs to one delivery."""

    def delivery(self) -> Delivery:
        rows = webhooks.deliveries_of(self.webhook(), by=self.actor).select_related("webhook")
        delivery = rows.filter(event_id=self.kwargs["number"]).first()
        if delivery is None:
            raise Http404
        return delivery


class DeliveryDetail(BelowDelivery):
    """One delivery."""

    scopes = {"read": "webhooks:read"}
    serializer_class = DeliveryDetailView

    @extend_schema(operation_id="get_webhook_delivery")
    def get(self, request: Request, pk: UUID, number: int) -> Response:
        """Read a delivery with what is posted and every try."""
        return with_etag(request, self.represent(self.delivery()))


class Redelivery(BelowDelivery):
    """The same event once more."""

    scopes = SCOPES
    serializer_class = DeliveryView

    @extend_schema(operation_id="redeliver", request=None, responses={202: DeliveryView})
    def post(self, request: Request, pk: UUID, number: int) -> Response:
        """Send a delivery again that arrived or was given up, under the same event id."""
        delivery = self.delivery()
        return self.once(
            lambda: Response(self.represent(webhooks.redeliver(delivery, by=self.actor)), status=202)
        )
