"""``/commands/``: commands of all stations, one of them, and one wish towards many."""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.command_bodies import BODIES, EXAMPLES, CommandBody
from portal.api.commands import CommandFilter, CommandView, ShownParameters, is_planned, validated
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search
from stations.domain.intents import Intent
from stations.domain.words import CommandStatus
from stations.models import BulkCommand, ChargingStation, Command, ScheduledCommand, Site
from stations.ocpp import raw_calls
from stations.services import bulk_commands, commands
from stations.services.bulk_commands import Manners
from stations.services.bulk_reach import Reach
from stations.services.scheduled_commands import When

OF_BULK = ("stations", "filter", "dry_run")
STATION = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"


# What a plan's status can be beside "cancelled", which is a command's as well.
PLANS = (ScheduledCommand.Status.PLANNED.value, ScheduledCommand.Status.DONE.value)
COUNTS = {
    "type": "object",
    "properties": {
        str(word): {"type": "integer"}
        for word in (*CommandStatus, *PLANS, bulk_commands.REFUSED, bulk_commands.AWAITING)
    },
    "additionalProperties": False,
}


class TargetFilter(StrictSerializer):
    stations = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        allow_empty=False,
        max_length=bulk_commands.MOST_STATIONS,
    )
    site = OwnRow(Site.objects, required=False)
    vendor = serializers.CharField(max_length=50, required=False)
    model = serializers.CharField(max_length=50, required=False)
    firmware_version = serializers.CharField(max_length=50, required=False)
    tag = serializers.CharField(max_length=40, required=False)


class BulkBody(StrictSerializer):
    """Whom to tell; what to tell them stands beside it, as for one station."""

    command = serializers.CharField(help_text="One of the commands of a station")
    stations = serializers.ListField(
        child=OwnRow(ChargingStation.objects.live()),
        required=False,
        allow_empty=False,
        max_length=bulk_commands.MOST_STATIONS,
    )
    filter = TargetFilter(required=False, help_text="With `stations` too: what is in both")
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Only say whom it would reach; refused as the wish would be"
    )


@cache
def _to_many(body: type[CommandBody]) -> type[CommandBody]:
    """What a command takes, and whom to tell."""
    return type(f"{body.__name__}ToMany", (body,), {name: BulkBody().fields[name] for name in OF_BULK})


Bodies = PolymorphicProxySerializer(
    component_name="NewCommandToMany",
    serializers={name: _to_many(body) for name, body in BODIES.items()},
    resource_type_field_name="command",
)


class RefusalView(serializers.Serializer):
    station = serializers.UUIDField(source="station_id")
    detail = serializers.CharField(source="refusal")


class BulkRowView(serializers.Serializer):
    id = serializers.UUIDField()
    command = serializers.CharField()
    parameters = ShownParameters()
    reason = serializers.CharField()
    issued_by = serializers.CharField()
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(
        help_text="Of its commands; before the approval, of the wish itself"
    )
    run_at = serializers.DateTimeField(allow_null=True)
    repeat = serializers.CharField()
    approval = serializers.ChoiceField(
        BulkCommand.Approval.choices,
        allow_null=True,
        help_text="`null`: one person may tell so many; `awaited`: another one has to approve it first",
    )
    decided_by = serializers.CharField(help_text="Who approved or withdrew it")
    decided_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, bulk: BulkCommand) -> Any:
        shown = super().to_representation(bulk)
        return {**shown, "approval": shown["approval"] or None}


class BulkView(BulkRowView):
    count = serializers.SerializerMethodField(help_text="Stations")
    counts = serializers.SerializerMethodField(
        help_text="Stations by the status of their command or plan, `refused` or `awaiting_approval`"
    )
    refused = serializers.SerializerMethodField(help_text="Stations that could not be told, and why")

    def get_count(self, bulk: BulkCommand) -> int:
        return bulk.parts.count()

    @extend_schema_field(COUNTS)
    def get_counts(self, bulk: BulkCommand) -> dict[str, int]:
        return bulk_commands.counts(bulk)

    @extend_schema_field(RefusalView(many=True))
    def get_refused(self, bulk: BulkCommand) -> list[dict[str, str]]:
        refused = bulk.parts.exclude(refusal="").order_by("id")
        return [dict(row) for row in RefusalView(refused, many=True).data]


class TrialView(serializers.Serializer):
    count = serializers.IntegerField(help_text="Stations that would be told")
    stations = serializers.ListField(child=serializers.UUIDField())
    refused = RefusalView(
        many=True,
        required=False,
        help_text="Stations that a raw call would pass over, and why; where there are some",
    )


def _trial(reached: Reach) -> dict[str, Any]:
    shown: dict[str, Any] = {"count": len(reached.told), "stations": [station.pk for station in reached.told]}
    refused = [{"station_id": station.pk, "refusal": why} for station, why in reached.passed_over]
    return dict(TrialView({**shown, "refused": refused} if refused else shown).data)


EITHER = PolymorphicProxySerializer(
    component_name="CommandOrBulk", serializers=[CommandView, BulkView], resource_type_field_name=None
)


class CommandList(ListResource):
    """Commands of all stations."""

    scopes: ClassVar[Mapping[str, str]] = {"read": "commands:read", "write": "commands:send"}
    serializer_class = CommandView
    filter_class = filterset_class = CommandFilter

    def rows(self) -> QuerySet[Command]:
        return Command.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_commands", responses=CommandView(many=True))
    def get(self, request: Request) -> Any:
        """List the commands, newest first; `?bulk=` are those that came of one wish towards many."""
        return self.listing()

    @extend_schema(
        operation_id="send_command_to_many",
        request=Bodies,
        responses={
            200: OpenApiResponse(TrialView, description="`dry_run`: whom it would reach"),
            202: OpenApiResponse(BulkView, description="Stored; read it at `Location`"),
        },
        examples=[
            OpenApiExample(
                "Restart a site's idle stations",
                {"command": "reset", "kind": "on_idle", "filter": {"site": STATION}, "dry_run": True},
                request_only=True,
            ),
            *(
                OpenApiExample(
                    name, {"command": name, **body, "filter": {"vendor": "Amperix"}}, request_only=True
                )
                for name, body in EXAMPLES.items()
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        """Send a command to many stations, at most 500, or plan it; the answer counts how each took it.

        What a station of them cannot be told is listed under `refused` and holds up no other; a raw `call` passes over
        those whose version of OCPP does not have it, unless it is planned for a stated `ocpp_version`. Above 20
        stations (`SECOND_PERSON_ABOVE`), those that one person told within a day counted together, resets,
        configuration, firmware and certificates wait a day for another person's word: `approve/`.
        """
        return self.once(self._send)

    def _send(self) -> Response:
        intent, manners = self._wish()
        raw_calls.check_for_any(intent)
        whom = list(self._whom().select_related("presence")[: bulk_commands.MOST_STATIONS + 1])
        fits = raw_calls.check_by_time(planned=manners.when is not None)
        told: dict[str, Any] = {"by": self.actor, "manners": manners, "fits": fits}
        if self.wanted["dry_run"]:
            return Response(_trial(bulk_commands.preview(whom, intent, **told)))
        bulk = bulk_commands.issue(whom, intent, **told)
        shown = BulkView(bulk, context={"actor": self.actor}).data
        return Response(shown, status=202, headers={"Location": f"/api/v1/commands/{bulk.pk}/"})

    def _wish(self) -> tuple[Intent, Manners]:
        data = self.request.data
        own = (
            {name: value for name, value in data.items() if name not in OF_BULK}
            if isinstance(data, Mapping)
            else data
        )
        values, body = validated(own, self.actor)
        to_whom = {name: data[name] for name in (*OF_BULK, "command") if name in data}
        checked = BulkBody(data=to_whom, context={"actor": self.actor})
        checked.is_valid(raise_exception=True)
        self.wanted = dict(checked.validated_data)
        when = When(values.get("run_at"), values.get("repeat", "")) if is_planned(values) else None
        manners = Manners(values["expires_in"], values["if_offline"], values["reason"], when)
        return body.intent(values), manners

    def _whom(self) -> QuerySet[ChargingStation]:
        wanted = dict(self.wanted.get("filter", {}))
        rows = None
        if stations := self.wanted.get("stations"):
            rows = bulk_commands.targets({"stations": [station.pk for station in stations]}, by=self.actor)
        if wanted or rows is None:
            fitting = bulk_commands.targets(wanted, by=self.actor)
            rows = fitting if rows is None else rows & fitting
        return rows


class CommandDetail(Resource):
    """One command, or the parent of those that came of one wish towards many."""

    scopes: ClassVar[Mapping[str, str]] = {"read": "commands:read", "DELETE": "commands:send"}
    serializer_class = CommandView

    @extend_schema(operation_id="get_command", responses={200: EITHER})
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a command and what the station answered, or how many stations took a wish how."""
        bulk = self._bulk(pk)
        return with_etag(request, self._shown(bulk) if bulk else self.represent(self._command(pk)))

    @extend_schema(operation_id="cancel_command", responses={200: EITHER})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Take back a command that was not sent yet, or all of those that came of one wish."""
        bulk = self._bulk(pk)
        if bulk is None:
            return Response(self.represent(commands.cancel(self._command(pk), by=self.actor)))
        bulk_commands.cancel(bulk, by=self.actor)
        return Response(self._shown(bulk))

    def _command(self, pk: UUID) -> Command:
        command: Command = found(Command.objects.visible_to(self.actor).select_related("station"), pk)
        return command

    def _bulk(self, pk: UUID) -> BulkCommand | None:
        return BulkCommand.objects.visible_to(self.actor).filter(pk=pk).first()

    def _shown(self, bulk: BulkCommand) -> Any:
        return BulkView(bulk, context={"actor": self.actor}).data


class BulkFilter(filters.FilterSet):
    search = Search("reason", "issued_by", "command")

    class Meta:
        model = BulkCommand
        fields = ["command", "approval", "issued_by"]


class BulkList(ListResource):
    """What was said to many stations at once."""

    scopes: ClassVar[Mapping[str, str]] = {"read": "commands:read"}
    serializer_class = BulkRowView
    filter_class = filterset_class = BulkFilter

    def rows(self) -> QuerySet[BulkCommand]:
        return BulkCommand.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_bulk_commands", responses=BulkRowView(many=True))
    def get(self, request: Request) -> Any:
        """List the wishes towards many stations, newest first; `?approval=awaited` wait for a second person.

        How the stations took one is read at `/commands/{id}/`.
        """
        return self.listing()


class BulkApproval(Resource):
    """The word of a second person."""

    scopes: ClassVar[Mapping[str, str]] = {"write": "commands:send"}
    serializer_class = BulkView

    @extend_schema(operation_id="approve_bulk_command", request=None, responses={200: BulkView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Approve what somebody else asked for: it is sent, or planned, in their name."""
        bulk: BulkCommand = found(BulkCommand.objects.visible_to(self.actor), pk)
        return self.once(lambda: self._approve(bulk))

    def _approve(self, bulk: BulkCommand) -> Response:
        fits = raw_calls.check_by_time(planned=bulk.planned)
        approved = bulk_commands.approve(bulk, by=self.actor, fits=fits)
        return Response(self.represent(approved))
