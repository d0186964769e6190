"""Figures of plots as columns of JSON, thinned out to what a screen can show."""

from collections.abc import Sequence
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
from stations.models import Evse, MeterReading, Transaction

RANGES = {
    "live": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}
RANGE_NAMES = (("live", _("Live")), ("1h", _("1 h")), ("24h", _("24 h")), ("7d", _("7 d")))
DEFAULT_RANGE = "live"
MOST_POINTS = 1500
SHORTEST_GAP_S = 90
Row = tuple[datetime, Decimal | None, Decimal | None, Decimal | None]
COLUMNS = ("occurred_at", "power_w", "offered_power_w", "soc_percent")


@require_safe
@operator(Permission.STATIONS_VIEW)
def of_evse(request: OperatorRequest, pk: UUID, evse_id: int) -> HttpResponse:
    evses = Evse.objects.visible_to(request.actor).filter(station_id=pk, evse_id=evse_id)
    evse = load(evses, evses.values_list("pk", flat=True).first() or UUID(int=0))
    since = clock.now() - RANGES[chosen_range(request)]
    rows = MeterReading.objects.filter(station_id=pk, evse_id=evse.evse_id, occurred_at__gte=since)
    return _json(rows)


@require_safe
@operator(Permission.SESSIONS_VIEW)
def of_session(request: OperatorRequest, pk: UUID) -> HttpResponse:
    session = load(Transaction.objects.visible_to(request.actor), pk)
    return _json(readings_of(session))


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


def _json(rows: Any) -> JsonResponse:
    with_figures = rows.exclude(power_w=None, soc_percent=None).order_by("occurred_at")
    found = list(with_figures.values_list(*COLUMNS)[:50_000])
    step = max(1, len(found) // MOST_POINTS)
    response = JsonResponse(columns(found[::step]))
    response.headers["Cache-Control"] = "no-store"
    return response


def _kw(watts: Decimal | None) -> float | None:
    return None if watts is None else round(float(watts) / 1000, 3)
