"""``/events/``: what happened, as a stream or in pages."""

from typing import Any, ClassVar

from django.contrib.auth import get_user
from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.functional import SimpleLazyObject
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, Throttled, ValidationError
from rest_framework.request import Request

from core.access import Actor
from core.models import Event
from core.services import outbox
from portal.api import event_stream
from portal.api.errors import Gone
from portal.api.event_data import EventData
from portal.api.event_stream import Reader
from portal.api.filtering import filtered
from portal.api.renderers import CsvRenderer, EventStreamRenderer, JsonRenderer
from portal.api.resource import ListResource
from portal.streaming import Leaving

RESUME = "Last-Event-ID"

EVENT_TYPES = sorted(outbox.SCOPE_OF)


class EventView(serializers.Serializer):
    id = serializers.UUIDField(source="uid", help_text="The same in the stream, in pages and in webhooks")
    sequence = serializers.IntegerField(source="pk", help_text="Grows in the order of events")
    type = serializers.ChoiceField(EVENT_TYPES)
    timestamp = serializers.DateTimeField(source="occurred_at")
    data = EventData()


class EventFilter(filters.FilterSet):
    type = filters.CharFilter(method="of_types", help_text="One or more types, separated by commas")
    object = filters.UUIDFilter(field_name="object_id", help_text="Station, session, command or alert")
    after = filters.NumberFilter(
        field_name="id", lookup_expr="gt", help_text="The sequence of the last event you have"
    )

    class Meta:
        model = Event
        fields: ClassVar[list[str]] = []

    def of_types(self, rows: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:
        wanted = [one.strip() for one in value.split(",")]
        unknown = [one for one in wanted if one not in outbox.SCOPE_OF]
        if unknown:
            raise ValidationError({name: f"Choose of: {', '.join(sorted(outbox.SCOPE_OF))}."})
        return rows.filter(type__in=wanted)


class EventList(ListResource):
    """Everything that happens. A key reads the types whose resource it may read."""

    scopes = {"read": "events:read"}
    serializer_class = EventView
    filter_class = filterset_class = EventFilter
    ordering: ClassVar[tuple[str, ...]] = ("id",)
    renderer_classes = (EventStreamRenderer, JsonRenderer, CsvRenderer)
    streams = True
    errors_told = {410: "The event to go on from is no longer kept"}

    def rows(self) -> QuerySet[Event]:
        rows = outbox.visible_to(self.actor)
        after = self._after()
        return rows if after is None else rows.filter(id__gt=after)

    @extend_schema(
        operation_id="list_events",
        responses=EventView(many=True),
        parameters=[
            OpenApiParameter(
                RESUME, int, OpenApiParameter.HEADER, description="The sequence of the last event you have"
            )
        ],
    )
    def get(self, request: Request) -> Any:
        """Read events in order: a stream that stays open, or a page with `Accept: application/json`.

        The stream begins with what follows `Last-Event-ID` (or `after`), without it with what happens from now on;
        pages begin with the oldest event that is kept. With `limit` a stream ends after so many events. 410 tells
        that events were missed, since they are no longer kept: read the present state of what you follow, then
        begin anew.
        """
        after = self._after()
        self._require_understood()
        if after is not None:
            self._require_kept(after)
        if request.accepted_renderer.format != EventStreamRenderer.format:
            return self.listing()
        return self._stream(after)

    def _stream(self, after: int | None) -> StreamingHttpResponse:
        start = outbox.newest() if after is None else after
        most = self.paginator.get_page_size(self.request) if "limit" in self.request.query_params else None
        reader = Reader(self.actor, lambda rows: filtered(self, rows), start, self._again, most)
        caller, under_way = str(self.actor.subject_id), event_stream.under_way
        if not under_way.enter(caller):
            raise Throttled(wait=60)
        is_live = isinstance(self.request._request, ASGIRequest)
        lines: Any = event_stream.stream(reader) if is_live else event_stream.backlog(reader)
        response = Leaving(
            lines, lambda: under_way.leave(caller), content_type=EventStreamRenderer.media_type
        )
        response.headers["X-Accel-Buffering"] = "no"
        return response

    def _require_understood(self) -> None:
        """Refuses wrong parameters before a stream begins, and before an event is said to be forgotten."""
        filtered(self, outbox.visible_to(self.actor))
        self.paginator.get_page_size(self.request)
        self.paginator.get_ordering(self.request, None, self)

    def _after(self) -> int | None:
        """The last event that the reader has, by header or parameter."""
        header = self.request.headers.get(RESUME)
        text = header if header is not None else self.request.query_params.get("after")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise ValidationError({RESUME: "Give the sequence of an event, which is a whole number."})
        return int(text)

    def _require_kept(self, after: int) -> None:
        try:
            outbox.require_kept(after)
        except outbox.Forgotten as error:
            raise Gone(
                f"Event {after} is not among those that are kept, which begin with {error.oldest}. Read the "
                "present state of what you follow, then begin anew."
            ) from error

    def _again(self) -> Actor | None:
        """The actor as the key or session gives it now; an open stream is no activity of a person."""
        raw = self.request._request
        raw.passive = True
        if raw.session.session_key:
            raw.session = type(raw.session)(raw.session.session_key)
            raw.user = SimpleLazyObject(lambda: get_user(raw))
        for way in self.get_authenticators():
            try:
                found = way.authenticate(self.request)
            except APIException:
                return None
            if found is not None:
                actor = found[1]
                return actor if isinstance(actor, Actor) else None
        return None
