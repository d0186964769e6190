"""``/billing/reconciliation/``: whether everything that ended is accounted for (billing B-12)."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.services import reconciling
from core import clock
from core.access import Permission
from core.models import Organization
from portal.api.resource import Resource

LONGEST = timedelta(days=400)


class CountsView(serializers.Serializer):
    """Sessions by what became of them; together they are ``ended``."""

    billed = serializers.IntegerField()
    unbilled = serializers.IntegerField(help_text="Sealed, on no invoice yet")
    no_payer = serializers.IntegerField()
    compensated = serializers.IntegerField(help_text="Home charging that nobody is billed for")
    zero = serializers.IntegerField(help_text="Nothing to pay")
    credited = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Settling")
    exception = serializers.IntegerField()
    waived = serializers.IntegerField()
    not_billable = serializers.IntegerField()


class DifferenceView(serializers.Serializer):
    kind = serializers.CharField(help_text="`posting` is of an invoice, all others of a session")
    id = serializers.UUIDField()


class ReconciliationView(serializers.Serializer):
    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    ended = serializers.IntegerField(help_text="Sessions that ended in that time")
    counts = CountsView()
    differences = DifferenceView(many=True, help_text="What does not add up; empty: all of it does")


class ReconciliationDetail(Resource):
    """Ended sessions, records, lines, invoices and postings, held against each other."""

    scopes = {"read": "billing:read"}
    serializer_class = ReconciliationView
    errors_told = {400: "A day cannot be read, or the end is not after the beginning"}

    @extend_schema(
        operation_id="get_reconciliation",
        parameters=[
            OpenApiParameter(
                "from", date, description="First day, in the organization's zone; else 31 days ago"
            ),
            OpenApiParameter("to", date, description="The day after the last; tomorrow where not given"),
        ],
    )
    def get(self, request: Request) -> Response:
        """Count what became of the sessions that ended in these days, and name what does not add up."""
        organization = Organization.objects.get(pk=self.actor.home)
        self.actor.require_everywhere(Permission.INVOICES_MANAGE, organization)
        zone = ZoneInfo(organization.time_zone)
        end = self._day("to", zone) or _midnight(
            clock.now().astimezone(zone).date() + timedelta(days=1), zone
        )
        begin = self._day("from", zone) or end - timedelta(days=31)
        if end - begin > LONGEST:
            raise serializers.ValidationError({"from": f"At most {LONGEST.days} days are looked at."})
        found = reconciling.reconcile(organization, begin, end, by=self.actor)
        return Response(self.represent(_shown(found, begin, end)))

    def _day(self, name: str, zone: ZoneInfo) -> datetime | None:
        text = self.request.query_params.get(name)
        if text is None:
            return None
        try:
            return _midnight(date.fromisoformat(text), zone)
        except (ValueError, OverflowError):
            raise serializers.ValidationError({name: "A day is written like 2026-11-30."}) from None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    if not 2000 <= day.year <= 2999:
        raise ValueError(day)
    return datetime.combine(day, time(), zone)


def _shown(found: reconciling.Reconciled, begin: datetime, end: datetime) -> dict[str, Any]:
    return {
        "begins_at": begin,
        "ends_at": end,
        "ended": found.ended,
        "counts": found.counts,
        "differences": [{"kind": kind, "id": key} for kind, key in found.differences],
    }
