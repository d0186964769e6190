"""``/scheduled-commands/``: what is planned, what became of each time, and taking it back."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.commands import ScheduledView
from portal.api.resource import ListResource, Resource, found, with_etag
from portal.api.searching import Search
from stations.models import ScheduledCommand
from stations.services import scheduled_commands

SCOPES = {"read": "commands:read", "DELETE": "commands:send"}


class ScheduledFilter(filters.FilterSet):
    station = filters.UUIDFilter(field_name="station_id")
    site = filters.UUIDFilter(field_name="station__site_id")
    search = Search("command", "reason", "issued_by")

    class Meta:
        model = ScheduledCommand
        fields = ["command", "status"]


class ScheduledCommandList(ListResource):
    """Commands for later. They are made as any command is, with `run_at` or `repeat`."""

    scopes: ClassVar[Mapping[str, str]] = {"read": "commands:read"}
    serializer_class = ScheduledView
    filter_class = filterset_class = ScheduledFilter
    ordering_fields: ClassVar[tuple[str, ...]] = ("id",)

    def rows(self) -> QuerySet[ScheduledCommand]:
        return ScheduledCommand.objects.visible_to(self.actor).prefetch_related("runs")

    @extend_schema(operation_id="list_scheduled_commands", responses=ScheduledView(many=True))
    def get(self, request: Request) -> Any:
        """List what is planned and was, newest first."""
        return self.listing()


class ScheduledCommandDetail(Resource):
    """One command for later."""

    scopes: ClassVar[Mapping[str, str]] = SCOPES
    serializer_class = ScheduledView

    def _scheduled(self, pk: UUID) -> ScheduledCommand:
        rows = ScheduledCommand.objects.visible_to(self.actor).select_related("station__site")
        scheduled: ScheduledCommand = found(rows, pk)
        return scheduled

    @extend_schema(operation_id="get_scheduled_command")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read when it comes next, and what became of the times that were."""
        return with_etag(request, self.represent(self._scheduled(pk)))

    @extend_schema(operation_id="cancel_scheduled_command", responses={200: ScheduledView})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Take back what is still to come."""
        return Response(self.represent(scheduled_commands.cancel(self._scheduled(pk), by=self.actor)))
