"""``/transactions/`` with their readings."""

from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import BooleanField, F, Func, Q, QuerySet, Window
from django.db.models.functions import Extract, Floor, RowNumber
from django.utils.translation import get_language
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.access import Permission
from portal import session_search
from portal.api.charging_views import PlanView
from portal.api.costs import (
    CostReviewView,
    CostView,
    PriceLineView,
    StationCostView,
    cost_of,
    lines_of,
    review_of,
)
from portal.api.fields import JsonObjects, Number, Wh, token_shown
from portal.api.resource import ListResource, Resource, found, with_etag
from stations.domain import metering
from stations.models import CostState, MeterReading, Transaction
from stations.services.transactions import evidence

DAY_S = 86_400


class TokenText(serializers.CharField):
    """A token's value, its last four characters for those who may not see personal data."""

    def to_representation(self, value: str) -> str:
        return token_shown(value, self.context["actor"])


class StatusAnswerView(serializers.Serializer):
    """What the station said of the session when it was asked last."""

    ongoing = serializers.BooleanField(allow_null=True)
    messages_in_queue = serializers.BooleanField()
    answered_at = serializers.DateTimeField()


class TransactionView(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(source="station_id")
    ocpp_transaction_id = serializers.CharField(source="reference")
    evse_id = serializers.IntegerField(source="evse.evse_id", allow_null=True, default=None)
    connector_id = serializers.IntegerField(allow_null=True)
    token = TokenText(source="token_value")
    driver = serializers.SerializerMethodField(help_text="Null for those who may not see personal data")
    token_type = serializers.CharField()
    authorization = serializers.CharField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    meter_start_wh = Wh(allow_null=True)
    meter_stop_wh = Wh(allow_null=True)
    energy_wh = Wh(allow_null=True)
    power_w = Number(allow_null=True)
    soc_percent = Number(allow_null=True)
    charging_state = serializers.CharField()
    stopped_reason = serializers.CharField()
    status = serializers.ChoiceField(["active", "ended", "orphaned"])
    flags = serializers.ListField(child=serializers.CharField())
    cost = serializers.SerializerMethodField(help_text="`null` while it is not known")
    cost_review = serializers.SerializerMethodField(help_text="Why it cannot be priced")
    charging_plan = serializers.SerializerMethodField()
    station_says = StatusAnswerView(
        source="status_answer",
        allow_null=True,
        default=None,
        help_text="The answer to get_transaction_status",
    )

    @extend_schema_field(CostView(allow_null=True))
    def get_cost(self, transaction: Transaction) -> Any:
        return cost_of(transaction)

    @extend_schema_field(CostReviewView(allow_null=True))
    def get_cost_review(self, transaction: Transaction) -> Any:
        return review_of(transaction)

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_driver(self, transaction: Transaction) -> UUID | None:
        return transaction.driver_id if self.context["actor"].can(Permission.DRIVERS_VIEW) else None

    @extend_schema_field(PlanView(allow_null=True))
    def get_charging_plan(self, transaction: Transaction) -> Any:
        plan = getattr(transaction, "charging_plan", None)
        return None if plan is None else PlanView(plan, context=self.context).data


class TransactionDetailView(TransactionView):
    tariff = serializers.UUIDField(
        source="frozen_tariff.version.tariff_id",
        allow_null=True,
        default=None,
        help_text="Frozen at the start",
    )
    tariff_version = serializers.IntegerField(
        source="frozen_tariff.version.number", allow_null=True, default=None
    )
    price_lines = serializers.SerializerMethodField()
    station_cost = StationCostView(allow_null=True, default=None)

    @extend_schema_field(PriceLineView(many=True))
    def get_price_lines(self, transaction: Transaction) -> Any:
        return lines_of(transaction, get_language() or "en")


class TransactionFilter(filters.FilterSet):
    station = filters.UUIDFilter(field_name="station_id")
    site = filters.UUIDFilter(field_name="site_id")
    ocpp_transaction_id = filters.CharFilter(field_name="reference")
    evse_id = filters.NumberFilter(field_name="evse__evse_id")
    token = filters.CharFilter(method="of_token", label="None for those who may not see personal data")
    driver = filters.UUIDFilter(method="of_driver", label="None for those who may not see personal data")
    status = filters.ChoiceFilter(choices=[(w, w) for w in ("active", "ended", "orphaned")])
    started_after = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="gte")
    started_before = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="lt")
    ended_after = filters.IsoDateTimeFilter(field_name="ended_at", lookup_expr="gte")
    ended_before = filters.IsoDateTimeFilter(field_name="ended_at", lookup_expr="lt")
    flag = filters.CharFilter(method="with_flag")
    search = filters.CharFilter(
        method="with_text",
        label="A part of the station's identity or name or of the token's label; the whole token or OCPP's id",
    )
    cost_needs_review = filters.BooleanFilter(method="with_review", label="Sessions that could not be priced")
    needs_repair = filters.BooleanFilter(method="with_need", label="Sessions that cannot end by themselves")

    class Meta:
        model = Transaction
        fields: ClassVar[list[str]] = ["connector_id", "charging_state", "stopped_reason"]

    def of_driver(self, rows: Any, name: str, value: UUID) -> Any:
        return rows.filter(driver=value) if self.request.auth.can(Permission.DRIVERS_VIEW) else rows.none()

    def of_token(self, rows: Any, name: str, value: str) -> Any:
        mine = self.request.auth.can(Permission.DRIVERS_VIEW)
        return rows.filter(token_value__iexact=value) if mine else rows.none()

    def with_flag(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(flags__contains=[value])

    def with_text(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(session_search.meant_by(value, self.request.auth))

    def with_review(self, rows: Any, name: str, value: bool) -> Any:
        waiting = {"cost__state": CostState.REVIEW.value}
        return rows.filter(**waiting) if value else rows.exclude(**waiting)

    def with_need(self, rows: Any, name: str, value: bool) -> Any:
        needing = evidence.needing(self.request.auth, clock.now()).values("pk")
        return rows.filter(pk__in=needing) if value else rows.exclude(pk__in=needing)


class TransactionList(ListResource):
    """Charging sessions."""

    scopes = {"read": "transactions:read"}
    serializer_class = TransactionView
    filter_class = filterset_class = TransactionFilter
    ordering: ClassVar[tuple[str, ...]] = ("-started_at", "-id")
    ordering_fields: ClassVar[tuple[str, ...]] = ("started_at",)

    def rows(self) -> QuerySet[Transaction]:
        return Transaction.objects.visible_to(self.actor).select_related(
            "evse", "charging_plan", "status_answer", "cost"
        )

    @extend_schema(operation_id="list_transactions", responses=TransactionView(many=True))
    def get(self, request: Request) -> Any:
        """List the sessions, newest first."""
        return self.listing()


class TransactionDetail(Resource):
    """One session."""

    scopes = {"read": "transactions:read"}
    serializer_class = TransactionDetailView

    @extend_schema(operation_id="get_transaction")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a session."""
        rows = Transaction.objects.visible_to(self.actor).select_related(
            "evse", "charging_plan", "status_answer", "cost", "frozen_tariff__version", "station_cost"
        )
        return with_etag(request, self.represent(found(rows, pk)))


class ReadingView(serializers.Serializer):
    occurred_at = serializers.DateTimeField(help_text="The station's time")
    received_at = serializers.DateTimeField()
    context = serializers.CharField()
    energy_wh = Wh(allow_null=True)
    power_w = Number(allow_null=True)
    current_l1_a = Number(allow_null=True)
    current_l2_a = Number(allow_null=True)
    current_l3_a = Number(allow_null=True)
    voltage_l1_v = Number(allow_null=True)
    voltage_l2_v = Number(allow_null=True)
    voltage_l3_v = Number(allow_null=True)
    soc_percent = Number(allow_null=True)
    temperature_c = Number(allow_null=True)
    flags = serializers.ListField(child=serializers.CharField(), allow_null=True)
    samples = JsonObjects(help_text="The sampled values as sent")


UNNAMED = Func(
    F("samples"),
    template="jsonb_path_exists(%(expressions)s, '$[*] ? (!exists(@.measurand))')",
    output_field=BooleanField(),
)


class ReadingFilter(filters.FilterSet):
    context = filters.CharFilter()
    measurand = filters.CharFilter(
        method="of_measurand", help_text="Readings that have a value of it, such as `Power.Active.Import`"
    )
    occurred_after = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="gte")
    occurred_before = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="lt")
    resolution = filters.NumberFilter(
        method="thinned", help_text=f"At most one reading, the last, in so many seconds: 1 to {DAY_S}"
    )

    class Meta:
        model = MeterReading
        fields: ClassVar[list[str]] = []

    def of_measurand(self, rows: Any, name: str, value: str) -> Any:
        """A sampled value that names none is of the register (1.6 section 7.31, 2.0.1 SampledValueType)."""
        named = Q(samples__contains=[{"measurand": value}])
        if value != metering.REGISTER:
            return rows.filter(named)
        return rows.annotate(unnamed=UNNAMED).filter(named | Q(unnamed=True))

    def thinned(self, rows: Any, name: str, value: Decimal) -> Any:
        if not 1 <= value <= DAY_S:
            raise serializers.ValidationError({name: f"A whole number from 1 to {DAY_S}."})
        span = Floor(Extract("occurred_at", "epoch") / int(value))
        place = Window(RowNumber(), partition_by=[span], order_by=["-occurred_at", "-id"])
        return rows.filter(pk__in=rows.order_by().annotate(place=place).filter(place=1).values("pk"))


class ReadingList(ListResource):
    """The meter readings of a session, oldest first."""

    scopes = {"read": "transactions:read"}
    serializer_class = ReadingView
    filter_class = filterset_class = ReadingFilter
    ordering: ClassVar[tuple[str, ...]] = ("occurred_at", "id")
    ordering_fields: ClassVar[tuple[str, ...]] = ("occurred_at",)

    def rows(self) -> QuerySet[MeterReading]:
        transaction = found(Transaction.objects.visible_to(self.actor), self.kwargs["pk"])
        return MeterReading.objects.filter(transaction=transaction)

    @extend_schema(operation_id="list_transaction_readings", responses=ReadingView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the readings of a session."""
        return self.listing()
