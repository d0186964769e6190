"""``/statistics/``: energy, sessions, revenue, utilization and uptime by day, site and station."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import groupby
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from core import clock
from core.models import Organization
from portal.api.amounts import Amount
from portal.api.fields import Number, Wh
from portal.api.filtering import filtered
from portal.api.pagination import BACKWARD, FORWARD, Place
from portal.api.resource import ListResource
from stations.models import ChargingStation
from stations.services import statistics

DAY, SITE, STATION = "day", "site", "station"
GROUPINGS = (DAY, SITE, STATION, f"{DAY},{SITE}", f"{DAY},{STATION}")
USUAL_DAYS = 30
MOST_DAYS = 366
ROWS_OF_A_TABLE = 500


class RevenueView(serializers.Serializer):
    currency = serializers.CharField()
    sessions = serializers.IntegerField(help_text="Whose cost is final")
    excl_vat = Amount(help_text="Of sessions whose VAT is known")
    incl_vat = Amount(help_text="Of sessions whose VAT is known")


class StatisticsView(serializers.Serializer):
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    site = serializers.UUIDField(allow_null=True, help_text="`null`: all that you may see")
    station = serializers.UUIDField(allow_null=True)
    sessions = serializers.IntegerField(help_text="That began in this time")
    energy_wh = Wh(help_text="Of those sessions")
    revenue = RevenueView(many=True, help_text="Their final costs by currency")
    occupied_s = serializers.IntegerField(help_text="Seconds in which sessions occupied an EVSE")
    utilization_percent = Number(
        allow_null=True, help_text="`occupied_s` of the time that the EVSEs were there"
    )
    uptime_percent = Number(
        allow_null=True,
        help_text="Time connected, of the time since the station was made, until it was retired",
    )


class StatisticsFilter(filters.FilterSet):
    by = filters.ChoiceFilter(
        choices=[(word, word) for word in GROUPINGS], method="kept", help_text="`day` where left out"
    )
    first_day = filters.DateFilter(
        method="kept", help_text=f"In the organization's time zone; left out: {USUAL_DAYS} days back"
    )
    last_day = filters.DateFilter(
        method="kept", help_text=f"Included; at most {MOST_DAYS} days. Left out: today"
    )
    site = filters.UUIDFilter(field_name="site_id", help_text="Stations that stand there now")
    station = filters.UUIDFilter(field_name="id")

    class Meta:
        model = ChargingStation
        fields: ClassVar[list[str]] = []

    def kept(self, rows: Any, name: str, value: Any) -> Any:
        return rows


@dataclass(frozen=True, slots=True)
class Unit:
    """Stations that are told together."""

    site: UUID | None
    station: UUID | None
    members: tuple[UUID, ...]

    @property
    def key(self) -> str:
        return str(self.station or self.site or "")


@dataclass(frozen=True)
class Table:
    """The rows that there are, in order, before their figures are looked for: each span for each unit."""

    spans: Sequence[tuple[date, date]]
    units: Sequence[Unit]

    def __len__(self) -> int:
        return len(self.spans) * len(self.units)

    def at(self, place: int) -> tuple[int, int]:
        return divmod(place, len(self.units))

    def key_of(self, place: int) -> tuple[str, str]:
        span, unit = self.at(place)
        return self.spans[span][0].isoformat(), self.units[unit].key

    def place_of(self, day: str, key: str) -> int:
        """Where the row of that key stands, or would stand."""
        span = bisect_left([first.isoformat() for first, _ in self.spans], day)
        return span * len(self.units) + bisect_left([unit.key for unit in self.units], key)


class StatisticsList(ListResource):
    """Figures of the fleet."""

    scopes = {"read": "statistics:read"}
    serializer_class = StatisticsView
    filter_class = filterset_class = StatisticsFilter
    ordering: ClassVar[tuple[str, ...]] = ("first_day",)
    ordering_fields: ClassVar[tuple[str, ...]] = ("first_day",)

    def rows(self) -> QuerySet[ChargingStation]:
        """All stations of the actor, the retired ones too."""
        return ChargingStation.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_statistics", responses=StatisticsView(many=True))
    def get(self, request: Request) -> Any:
        """Read energy, sessions, revenue, utilization and uptime: a row for each day, site or station.

        A session counts on the day of its start, with all its energy and its final cost, at the site where its
        station stands now. Days are those of the organization's time zone. Days and stations without sessions have
        rows, too.
        """
        return self.listing()

    def listing(self) -> Any:
        table = self._table(filtered(self, self.rows()))
        if self.request.accepted_renderer.format == "csv":
            return self.table_of(self._all(table))
        paginator = self.pagination_class()
        limit = paginator.get_page_size(self.request)
        paginator.get_ordering(self.request, None, self)
        begin, end = self._page(table, limit)
        return Response(
            {
                "results": self._told(table, begin, end),
                "next": self._link(table, FORWARD, end - 1) if begin < end < len(table) else None,
                "previous": self._link(table, BACKWARD, begin) if 0 < begin < end else None,
            }
        )

    # -- which rows there are ------------------------------------------------------------------------------

    def _table(self, stations: QuerySet[ChargingStation]) -> Table:
        words = self.request.query_params.get("by", DAY).split(",")
        first, last = self._days()
        if DAY in words:
            days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
            spans = [(day, day) for day in days]
        else:
            spans = [(first, last)]
        units = list(_units(words[-1], stations))
        descending = self.request.query_params.get("ordering") == "-first_day"
        return Table(spans, units) if not descending else _Backwards(spans, units)

    def _days(self) -> tuple[date, date]:
        given = self.request.query_params
        today = clock.now().astimezone(self._zone).date()
        last = date.fromisoformat(given["last_day"]) if "last_day" in given else today
        usual = last - timedelta(days=min(USUAL_DAYS - 1, last.toordinal() - 1))
        first = date.fromisoformat(given["first_day"]) if "first_day" in given else usual
        if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
            raise ValidationError({"last_day": f"Give 1 to {MOST_DAYS} days."})
        if not 2000 <= first.year <= last.year <= 2999:
            raise ValidationError({"first_day": "Choose days from 2000 to 2999."})
        return first, last

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(Organization.objects.get(pk=self.actor.home).time_zone)

    # -- pages ---------------------------------------------------------------------------------------------

    @property
    def _salt(self) -> str:
        """A cursor belongs to its list: grouping and order; days and filters stand in the same address."""
        given = self.request.query_params
        return f"api.cursor:statistics:{given.get('by', DAY)}:{given.get('ordering', '')}"

    def _page(self, table: Table, limit: int) -> tuple[int, int]:
        text = self.request.query_params.get("cursor")
        if text is None:
            return 0, min(limit, len(table))
        cursor = Place.opened(text, self._salt)
        place = table.place_of(*(str(value) for value in cursor.values))
        if cursor.direction == BACKWARD:
            return max(0, place - limit), min(place, len(table))
        begin = place + 1 if place < len(table) and table.key_of(place) == tuple(cursor.values) else place
        return min(begin, len(table)), min(begin + limit, len(table))

    def _link(self, table: Table, direction: str, place: int) -> str:
        sealed = Place(direction, table.key_of(place)).sealed(self._salt)
        return replace_query_param(self.request.build_absolute_uri(), "cursor", sealed)

    # -- figures -------------------------------------------------------------------------------------------

    def _told(self, table: Table, begin: int, end: int) -> list[dict[str, Any]]:
        """The rows of these places: one measurement for each run of units that is whole, few in all."""
        told: list[dict[str, Any]] = []
        places = [table.at(place) for place in range(begin, end)]
        spans = {span: [unit for _, unit in some] for span, some in groupby(places, key=lambda spot: spot[0])}
        for units, some in groupby(spans.items(), key=lambda pair: pair[1]):
            told += self._measured(table, [span for span, _ in some], units)
        return told

    def _measured(self, table: Table, spans: list[int], units: list[int]) -> list[dict[str, Any]]:
        days, shown = [table.spans[span] for span in spans], [table.units[unit] for unit in units]
        figures = statistics.measure(
            [unit.members for unit in shown], [self._instants(*pair) for pair in days], by=self.actor
        )
        return [
            self.represent(_row(pair, unit, figures[span, place]))
            for span, pair in enumerate(days)
            for place, unit in enumerate(shown)
        ]

    def _instants(self, first: date, last: date) -> tuple[datetime, datetime]:
        begin, end = first, last + timedelta(days=1)
        return datetime.combine(begin, time(), self._zone), datetime.combine(end, time(), self._zone)

    def _all(self, table: Table) -> Iterator[Mapping[str, Any]]:
        for begin in range(0, len(table), ROWS_OF_A_TABLE):
            yield from self._told(table, begin, min(begin + ROWS_OF_A_TABLE, len(table)))


class _Backwards(Table):
    """The last day first, and of a day the last unit."""

    def at(self, place: int) -> tuple[int, int]:
        return super().at(len(self) - 1 - place)

    def place_of(self, day: str, key: str) -> int:
        place = len(self) - 1 - super().place_of(day, key)
        return place if place >= 0 and self.key_of(place) == (day, key) else place + 1


def _units(word: str, stations: QuerySet[ChargingStation]) -> Iterator[Unit]:
    """In the order of their ids as text, which is that of PostgreSQL."""
    if word == DAY:
        yield Unit(None, None, tuple(stations.order_by().values_list("pk", flat=True)))
        return
    rows = stations.order_by("site_id" if word == SITE else "pk").values_list("site_id", "pk")
    if word == STATION:
        yield from (Unit(site, station, (station,)) for site, station in rows)
        return
    for site, some in groupby(rows, key=lambda row: row[0]):
        yield Unit(site, None, tuple(station for _, station in some))


def _row(days: tuple[date, date], unit: Unit, figures: statistics.Figures) -> dict[str, Any]:
    return {
        "first_day": days[0],
        "last_day": days[1],
        "site": unit.site,
        "station": unit.station,
        **{
            name: getattr(figures, name)
            for name in (
                "sessions", "energy_wh", "revenue", "occupied_s", "utilization_percent", "uptime_percent",
            )
        },
    }  # fmt: skip
