"""``/stations/{id}/commands/``"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from core.access import Actor
from portal.api.command_bodies import BODIES, EXAMPLES, CommandBody
from portal.api.fields import JsonObject, token_shown
from portal.api.permissions import holds
from portal.api.searching import Search
from portal.api.stations import BelowStation
from portal.pace import AtOnce
from stations.domain.intents import Intent
from stations.domain.words import CommandStatus, Effect
from stations.models import Command, ScheduledCommand, ScheduledRun
from stations.ocpp import raw_calls
from stations.services import commands, scheduled_commands
from stations.services.scheduled_commands import When

PREFER_WAIT = re.compile(r"\bwait=(\d{1,9})\b")
MAX_WAIT_S = 60
waiting = AtOnce(each=10, in_all=20)
RUNS_SHOWN = 20
EXPERT = frozenset({"call", "data_transfer"})

Bodies = PolymorphicProxySerializer(
    component_name="NewCommand",
    serializers=dict(BODIES),
    resource_type_field_name="command",
)
Prefer = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="`wait=N` (up to 60): answer once the command has settled.",
)


@extend_schema_field({"type": "object", "additionalProperties": True})
class ShownParameters(serializers.Field):
    """What was asked for, as it was given; a token's value as far as the reader may see it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(source="*", read_only=True, **options)

    def to_representation(self, thing: Any) -> dict[str, Any]:
        parameters = dict(thing.parameters)
        if "token_value" in parameters:
            value = token_shown(parameters.pop("token_value"), self.context["actor"])
            parameters["token"] = {"value": value, "type": parameters.pop("token_type")}
        return parameters


class CommandErrorView(serializers.Serializer):
    code = serializers.CharField()
    description = serializers.CharField(required=False)
    details = JsonObject(required=False, help_text="As the station sent them")


class CommandView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(source="station_id")
    command = serializers.ChoiceField(sorted(BODIES))
    parameters = ShownParameters()
    status = serializers.ChoiceField([word.value for word in CommandStatus])
    response = JsonObject(allow_null=True, help_text="The station's answer, verbatim; secrets are masked")
    error = CommandErrorView(allow_null=True)
    effect = serializers.SerializerMethodField()
    transaction = serializers.UUIDField(source="transaction_id", allow_null=True)
    issued_by = serializers.CharField()
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    latency_ms = serializers.IntegerField(allow_null=True)

    def get_effect(self, command: Command) -> str | None:
        return Effect(command.effect).value if command.effect else None


class ScheduledRunView(serializers.Serializer):
    due_at = serializers.DateTimeField()
    outcome = serializers.ChoiceField(ScheduledRun.Outcome.values)
    command = serializers.UUIDField(source="command_id", allow_null=True)
    detail = serializers.CharField(help_text="Why it was missed or refused")


class ScheduledView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(source="station_id")
    command = serializers.ChoiceField(sorted(BODIES))
    parameters = ShownParameters()
    run_at = serializers.DateTimeField()
    repeat = serializers.CharField()
    next_at = serializers.DateTimeField(allow_null=True, help_text="`null` when nothing more is to come")
    status = serializers.ChoiceField(ScheduledCommand.Status.values)
    expires_in = serializers.IntegerField()
    if_offline = serializers.ChoiceField(Command.IfOffline.values)
    reason = serializers.CharField()
    issued_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    cancelled_by = serializers.CharField()
    runs = serializers.SerializerMethodField(help_text="What became of the newest 20 times")

    @extend_schema_field(ScheduledRunView(many=True))
    def get_runs(self, scheduled: ScheduledCommand) -> Any:
        return ScheduledRunView(scheduled.runs.all()[:RUNS_SHOWN], many=True).data


SENT_OR_PLANNED = PolymorphicProxySerializer(
    component_name="CommandOrPlan", serializers=[CommandView, ScheduledView], resource_type_field_name=None
)


class CommandFilter(filters.FilterSet):
    station = filters.UUIDFilter(field_name="station_id")
    bulk = filters.UUIDFilter(field_name="bulk_part__bulk_id")
    search = Search("command", "issued_by")

    class Meta:
        model = Command
        fields = ["command", "status", "effect", "issued_by"]


class StationCommands(BelowStation):
    """What was said to one station, and the way to say more."""

    scopes = {"read": "commands:read", "write": "commands:send"}
    serializer_class = CommandView
    filter_class = filterset_class = CommandFilter

    def rows(self) -> QuerySet[Command]:
        return Command.objects.filter(station=self.station())

    @extend_schema(operation_id="list_station_commands", responses=CommandView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the commands of a station, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="send_command",
        request=Bodies,
        parameters=[Prefer],
        responses={
            200: OpenApiResponse(CommandView, description="Settled within `Prefer: wait=N`"),
            202: OpenApiResponse(
                SENT_OR_PLANNED,
                description="Stored, or with `run_at` or `repeat` planned; read it at `Location`",
            ),
        },
        examples=[
            OpenApiExample(name, {"command": name, **body}, request_only=True)
            for name, body in EXAMPLES.items()
        ],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Send a command, or plan it by `run_at` and `repeat`. The answer tells what was said, not what happened.

        409 also where one person told more than 20 stations (`SECOND_PERSON_ABOVE`) one by one within ten minutes:
        resets, configuration, firmware and certificates of so many are asked for by `/commands/`, where another
        approves them.
        """
        station, wait_s = self.station(), _wait_seconds(request)
        sent = self.once(lambda: self._send(station))
        return self._settled(sent, wait_s) if wait_s else sent

    def _send(self, station: Any) -> Response:
        values, body = validated(self.request.data, self.actor)
        intent = body.intent(values)
        if is_planned(values):
            return self._plan(station, values, intent)
        raw_calls.check_at_once(station, intent)
        command = commands.issue(
            station,
            intent,
            by=self.actor,
            patience_s=values["expires_in"],
            if_offline=values["if_offline"],
            reason=values["reason"],
        )
        location = f"/api/v1/commands/{command.pk}/"
        return Response(self.represent(command), status=202, headers={"Location": location})

    def _settled(self, sent: Response, wait_s: int) -> Response:
        """The same answer with what became of the command, where that came in time and there was a place to wait.

        Plans are not waited for.
        """
        command = Command.objects.filter(pk=sent.data["id"]).first()
        if command is None:
            return sent
        with waiting.place(str(self.actor.subject_id)) as there_is_one:
            if there_is_one:
                command = commands.wait_until_settled(command, wait_s)
        headers = {name: sent[name] for name in ("Location", "Idempotent-Replayed") if name in sent}
        return Response(self.represent(command), status=200 if command.settled else 202, headers=headers)

    def _plan(self, station: Any, values: dict[str, Any], intent: Intent) -> Response:
        raw_calls.check_for_later(station, intent)
        scheduled = scheduled_commands.plan(
            station,
            intent,
            when=When(values.get("run_at"), values.get("repeat", "")),
            by=self.actor,
            patience_s=values["expires_in"],
            if_offline=values["if_offline"],
            reason=values["reason"],
        )
        shown = ScheduledView(scheduled, context={"actor": self.actor}).data
        location = f"/api/v1/scheduled-commands/{scheduled.pk}/"
        return Response(shown, status=202, headers={"Location": location})


def is_planned(values: Mapping[str, Any]) -> bool:
    """Whether the command is one for later."""
    return "run_at" in values or "repeat" in values


def validated(data: Any, actor: Actor) -> tuple[dict[str, Any], CommandBody]:
    """The values of a command's body and the body itself. Raises 400 and 403."""
    name = data.get("command") if isinstance(data, Mapping) else None
    if not isinstance(name, str) or name not in BODIES:
        raise serializers.ValidationError({"command": f"Choose one of: {', '.join(sorted(BODIES))}."})
    if name in EXPERT and not holds(actor, "commands:expert"):
        raise PermissionDenied(f"The command “{name}” needs the scope “commands:expert” as well.")
    body = BODIES[name](data=data, context={"actor": actor})
    body.is_valid(raise_exception=True)
    return dict(body.validated_data), body


def _wait_seconds(request: Request) -> int:
    match = PREFER_WAIT.search(request.headers.get("Prefer", ""))
    if match is None:
        return 0
    seconds = int(match[1])
    if seconds > MAX_WAIT_S:
        raise serializers.ValidationError({"Prefer": f"wait is at most {MAX_WAIT_S} seconds."})
    return seconds
