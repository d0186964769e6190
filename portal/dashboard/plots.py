"""Figures of plots as columns of JSON, thinned out to what a screen can show."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from core import clock
from core.access import Permission
from portal.dashboard.entry import OperatorRequest, load, operator
from stations.models import Evse, MeterReading, ReadingMinute, ReadingQuarter, Transaction
from stations.models.reading_history import CondensedReadings

RANGES = {
    "live": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "1y": timedelta(days=366),
}
RANGE_NAMES = (
    ("live", _("Live")), ("1h", _("1 h")), ("24h", _("24 h")), ("7d", _("7 d")), ("30d", _("30 d")), ("1y", _("1 y")),
)  # fmt: skip
CONDENSED: Mapping[str, type[CondensedReadings]] = {
    "7d": ReadingMinute,
    "30d": ReadingQuarter,
    "1y": ReadingQuarter,
}
DEFAULT_RANGE = "live"
MOST_POINTS = 1500
MOST_ROWS = 50_000
SHORTEST_GAP_S = 90
Row = tuple[datetime, Decimal | None, Decimal | None, Decimal | None]
COLUMNS = ("occurred_at", "power_w", "offered_power_w", "soc_percent")


@require_safe
@operator(Permission.STATIONS_VIEW)
def of_evse(request: OperatorRequest, pk: UUID, evse_id: int) -> HttpResponse:
    evses = Evse.objects.visible_to(request.actor).filter(station_id=pk, evse_id=evse_id)
    evse = load(evses, evses.values_list("pk", flat=True).first() or UUID(int=0))
    name = chosen_range(request)
    since = clock.now() - RANGES[name]
    condensed = _condensed(CONDENSED[name], evse, since) if name in CONDENSED else []
    since = condensed[-1][0] if condensed else since
    rows = MeterReading.objects.filter(station_id=pk, evse_id=evse.evse_id, occurred_at__gt=since)
    return _json([*condensed, *_figures(rows)])


@require_safe
@operator(Permission.SESSIONS_VIEW)
def of_session(request: OperatorRequest, pk: UUID) -> HttpResponse:
    session = load(Transaction.objects.visible_to(request.actor), pk)
    return _json(_figures(readings_of(session)) or _condensed_of(session))


def chosen_range(request: OperatorRequest) -> str:
    """The range named in the query string, else the default one."""
    name = request.GET.get("range", "")
    return name if name in RANGES else DEFAULT_RANGE


def readings_of(session: Transaction) -> Any:
    """The session's readings, with bounds on time so that only its partitions are read."""
    until = (session.ended_at or clock.now()) + timedelta(hours=1)
    return MeterReading.objects.filter(
        transaction_id=session.pk,
        station_id=session.station_id,
        occurred_at__gte=session.started_at - timedelta(hours=1),
        occurred_at__lte=until,
    )


def columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Seconds, kW, kW, percent; ``None`` where nothing was reported, so that a gap stays a gap."""
    rows = with_gaps(rows)
    return {
        "t": [row[0].timestamp() for row in rows],
        "power": [_kw(row[1]) for row in rows],
        "limit": [_kw(row[2]) for row in rows],
        "soc": [None if row[3] is None else float(row[3]) for row in rows],
    }


def with_gaps(rows: Sequence[Row]) -> list[Row]:
    """An empty row wherever readings stayed away for three times their usual interval."""
    steps = sorted((after[0] - before[0]).total_seconds() for before, after in pairwise(rows))
    longest = timedelta(seconds=max(SHORTEST_GAP_S, 3 * steps[len(steps) // 2])) if steps else timedelta.max
    spaced: list[Row] = list(rows[:1])
    for before, after in pairwise(rows):
        if after[0] - before[0] > longest:
            spaced.append((before[0] + timedelta(seconds=1), None, None, None))
        spaced.append(after)
    return spaced


def _figures(rows: Any) -> list[Row]:
    with_figures = rows.exclude(power_w=None, soc_percent=None).order_by("occurred_at")
    return list(with_figures.values_list(*COLUMNS)[:MOST_ROWS])


def _condensed(
    model: type[CondensedReadings], evse: Evse, since: datetime, until: datetime | None = None
) -> list[Row]:
    rows = model._default_manager.filter(station_id=evse.station_id, evse_id=evse.evse_id, at__gte=since)
    if until is not None:
        rows = rows.filter(at__lte=until)
    with_figures = rows.exclude(power_w=None, soc_percent=None).order_by("at")
    return list(with_figures.values_list("at", *COLUMNS[1:])[:MOST_ROWS])


def _condensed_of(session: Transaction) -> list[Row]:
    """By minutes, or by quarters where those are gone too: readings are kept for a shorter time than sessions."""
    if session.evse is None:
        return []
    until = session.ended_at or clock.now()
    for model in (ReadingMinute, ReadingQuarter):
        if rows := _condensed(model, session.evse, session.started_at, until):
            return rows
    return []


def _json(found: list[Row]) -> JsonResponse:
    step = max(1, len(found) // MOST_POINTS)
    response = JsonResponse(columns(found[::step]))
    response.headers["Cache-Control"] = "no-store"
    return response


def _kw(watts: Decimal | None) -> float | None:
    return None if watts is None else round(float(watts) / 1000, 3)
