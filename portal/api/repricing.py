"""``/tools/reprice/``: what past sessions would have cost by another tariff."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from core.money import minor_units
from core.services.keys import holds
from portal.api.fields import OwnRow, Wh
from portal.api.pricing import inside, require_few
from portal.api.resource import Resource, StrictSerializer
from portal.api.tariff_bodies import OCPI_EXAMPLE, ExactJsonParser, OcpiTariff, mapping_of
from portal.pace import AtOnce
from stations.models import ChargingStation, Site, Transaction
from stations.services import price_trials
from stations.services.price_trials import Trial, Tried
from tariffs import parsing

LONGEST = timedelta(days=400, hours=1)
"""400 days by a clock that may be put back meanwhile."""
SESSIONS = "transactions:read"
EXAMPLE = {
    "tariff": OCPI_EXAMPLE,
    "started_after": "2026-10-26T00:00:00Z",
    "started_before": "2026-11-25T00:00:00Z",
}
under_way = AtOnce(each=1, in_all=4)


class WhichSessions(StrictSerializer):
    started_after = serializers.DateTimeField()
    started_before = serializers.DateTimeField(help_text="Exclusive, at most 400 days later")
    site = OwnRow(Site.objects.live(), required=False)
    station = OwnRow(ChargingStation.objects, required=False)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        since, until = values["started_after"], values["started_before"]
        if not timedelta() < until - since <= LONGEST:
            raise serializers.ValidationError(
                {"started_before": "The end comes after the beginning, by 400 days at most."}
            )
        return values


class RepriceBody(WhichSessions):
    tariff = OcpiTariff()


class RepricedSessionView(serializers.Serializer):
    transaction = serializers.UUIDField()
    station = serializers.UUIDField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    energy_wh = Wh(allow_null=True)
    was = serializers.CharField(allow_null=True, help_text="With VAT; `null`: not priced in this currency")
    would_be = serializers.CharField(
        allow_null=True, help_text="`null`: `cause` says why, or a tax is not known"
    )
    difference = serializers.CharField(allow_null=True)
    cause = serializers.CharField(allow_null=True, help_text="Why it cannot be priced by this tariff")


class RepricedView(serializers.Serializer):
    """Sums are of the sessions that have both prices (`compared`), VAT included."""

    currency = serializers.CharField()
    was = serializers.CharField()
    would_be = serializers.CharField()
    change_percent = serializers.CharField(allow_null=True, help_text="`null`: nothing was paid before")
    compared = serializers.IntegerField()
    much_dearer = serializers.IntegerField(help_text="Sessions that would cost more than a fifth more")
    unpriced = serializers.IntegerField()
    more = serializers.BooleanField(help_text="There are older sessions in this time, which were left out")
    sessions = RepricedSessionView(many=True)


class RepriceTool(Resource):
    """What a tariff would have changed."""

    scopes: ClassVar[Mapping[str, str]] = {"POST": "tariffs:read"}
    parser_classes = (ExactJsonParser,)
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = RepricedView

    @extend_schema(
        operation_id="reprice",
        request=RepriceBody,
        responses={200: RepricedView},
        examples=[OpenApiExample("Thirty days", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Price past sessions by an OCPI tariff, the newest 300 that ended. Nothing is stored.

        Needs `transactions:read` as well. No answer names a driver or a token.
        An organization reprices one thing at a time: else 429.
        """
        if not holds(self.actor, SESSIONS):
            raise PermissionDenied(f"This needs the scope “{SESSIONS}”.")
        return self.once(self._reprice)

    def _reprice(self) -> Response:
        body = mapping_of(self.request.data)
        tariff = require_few(inside("tariff", body, parsing.parse_tariff))
        sessions = self._sessions({name: value for name, value in body.items() if name != "tariff"})
        with under_way.place(str(self.actor.organization_id)) as there_is_one:
            if not there_is_one:
                raise Throttled(wait=5)
            found = price_trials.run(tariff, sessions, by=self.actor)
        return Response(_shown(found))

    def _sessions(self, told: dict[str, Any]) -> "QuerySet[Transaction]":
        checked = WhichSessions(data=told, context={"actor": self.actor})
        checked.is_valid(raise_exception=True)
        values = dict(checked.validated_data)
        since, until = values.pop("started_after"), values.pop("started_before")
        return price_trials.between(since, until, by=self.actor).filter(**values)


def _shown(found: Trial) -> dict[str, Any]:
    change = found.change_percent
    return {
        "currency": found.currency,
        "was": _amount(found.was, found.currency),
        "would_be": _amount(found.would_be, found.currency),
        "change_percent": None if change is None else f"{change:.1f}",
        "compared": len(found.compared),
        "much_dearer": found.much_dearer,
        "unpriced": len(found.unpriced),
        "more": found.more,
        "sessions": [_row(one, found.currency) for one in found.tried],
    }


def _row(one: Tried, currency: str) -> dict[str, Any]:
    session = one.session
    return {
        "transaction": session.pk,
        "station": session.station_id,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "energy_wh": session.energy_wh,
        "was": _amount(one.was, currency),
        "would_be": _amount(one.would_be, currency),
        "difference": _amount(one.difference, currency),
        "cause": one.cause or None,
    }


def _amount(amount: Decimal | None, currency: str) -> str | None:
    return None if amount is None else f"{amount:.{minor_units(currency)}f}"
