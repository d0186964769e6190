"""``/transactions/{id}/repair/``: what speaks for the end of a session that has none, and the decision on it."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.access import Actor
from core.errors import Invalid, NotFound
from portal.api.fields import Wh
from portal.api.resource import Resource, StrictSerializer, found
from portal.api.transactions import StatusAnswerView, TokenText
from stations.domain.repairs import DecisionKind, Evidence
from stations.models import OrphanStop, Transaction
from stations.services import transactions
from stations.services.transactions import evidence, repairing

MOST_HOURS = int(repairing.LONGEST_WAIT / timedelta(hours=1))


class DecisionBody(StrictSerializer):
    decision = serializers.ChoiceField([word.value for word in DecisionKind])
    reason = serializers.CharField(max_length=500)
    meter_stop_wh = Wh(required=False, help_text="With given_reading: the meter's register")
    stop = serializers.UUIDField(required=False, help_text="With joined_stop: one of `stops`")
    hours = serializers.IntegerField(
        min_value=1, max_value=MOST_HOURS, required=False, default=24, help_text="With wait"
    )


class LastReadingView(serializers.Serializer):
    occurred_at = serializers.DateTimeField()
    energy_wh = Wh(help_text="The register")


class FollowingView(serializers.Serializer):
    id = serializers.UUIDField()
    started_at = serializers.DateTimeField()
    meter_start_wh = Wh(allow_null=True)
    status = serializers.CharField()


class StopView(serializers.Serializer):
    id = serializers.UUIDField()
    occurred_at = serializers.DateTimeField()
    meter_stop_wh = Wh()
    token = TokenText(source="token_value")
    reason = serializers.CharField()


class DecisionView(serializers.Serializer):
    decision = serializers.CharField(source="kind")
    meter_stop_wh = Wh(allow_null=True)
    waits_until = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField()


class CaseView(serializers.Serializer):
    transaction = serializers.UUIDField(source="session.pk")
    status = serializers.CharField(source="session.status")
    meter_start_wh = Wh(source="session.meter_start_wh", allow_null=True)
    energy_wh = Wh(source="session.energy_wh", allow_null=True)
    reasons = serializers.ListField(child=serializers.ChoiceField([word.value for word in Evidence]))
    last_reading = LastReadingView(allow_null=True)
    last_message_at = serializers.DateTimeField(source="session.last_event_at")
    last_contact_at = serializers.DateTimeField(
        source="session.station.presence.last_seen_at", allow_null=True, help_text="Of the station"
    )
    connected = serializers.BooleanField(source="session.station.presence.connected")
    can_be_asked = serializers.BooleanField(help_text="The station knows get_transaction_status")
    station_says = StatusAnswerView(source="answer", allow_null=True)
    connector_free_since = serializers.DateTimeField(source="free_since", allow_null=True)
    following = FollowingView(many=True)
    stops = StopView(many=True)
    waits_until = serializers.DateTimeField(allow_null=True)
    decisions = DecisionView(many=True)


class SessionRepair(Resource):
    """A session that cannot end by itself."""

    scopes = {"read": "transactions:read", "write": "transactions:write"}
    serializer_class = CaseView

    def _session(self, pk: UUID) -> Transaction:
        rows = Transaction.objects.visible_to(self.actor).select_related("station__presence", "evse")
        session: Transaction = found(rows, pk)
        return session

    @extend_schema(operation_id="get_session_repair")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read what speaks for the end of the session, and what was decided."""
        return Response(self._case(pk))

    @extend_schema(
        operation_id="decide_session_repair",
        request=DecisionBody,
        responses=CaseView,
        examples=[
            OpenApiExample(
                "Ended with a register that was read off",
                {"decision": "given_reading", "meter_stop_wh": 48210, "reason": "Read off by the fitter."},
                request_only=True,
            ),
            OpenApiExample(
                "Left as it is for three days",
                {"decision": "wait", "hours": 72, "reason": "The modem is being replaced."},
                request_only=True,
            ),
        ],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """End the session with its last register, a given one or a stop that fits, or let it wait."""
        return self.once(lambda: self._decide(pk))

    def _decide(self, pk: UUID) -> Response:
        session = self._session(pk)
        values = self.body(DecisionBody)
        DECIDE[values["decision"]](session, values, self.actor)
        return Response(self._case(pk))

    def _case(self, pk: UUID) -> Any:
        return self.represent(evidence.of(self._session(pk), self.actor, clock.now()))


def _close(session: Transaction, values: Mapping[str, Any], by: Actor) -> None:
    transactions.close_stuck(session, by=by, reason=values["reason"])


def _close_with(session: Transaction, values: Mapping[str, Any], by: Actor) -> None:
    register = values.get("meter_stop_wh")
    if register is None:
        raise Invalid("Name the register that the session ended with.", field="meter_stop_wh")
    transactions.close_stuck(session, by=by, reason=values["reason"], meter_stop_wh=register)


def _join(session: Transaction, values: Mapping[str, Any], by: Actor) -> None:
    stop = OrphanStop.objects.filter(pk=values.get("stop"), station_id=session.station_id).first()
    if stop is None:
        raise NotFound("There is no such stop at this station.", field="stop")
    transactions.confirm(stop, session, by=by, reason=values["reason"])


def _wait(session: Transaction, values: Mapping[str, Any], by: Actor) -> None:
    until = clock.now() + timedelta(hours=values["hours"])
    transactions.keep_waiting(session, until=until, by=by, reason=values["reason"])


DECIDE: Mapping[str, Callable[[Transaction, Mapping[str, Any], Actor], None]] = {
    DecisionKind.LAST_READING.value: _close,
    DecisionKind.GIVEN_READING.value: _close_with,
    DecisionKind.JOINED_STOP.value: _join,
    DecisionKind.WAIT.value: _wait,
}
