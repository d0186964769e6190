"""Smart charging of a station: limits in force and why, profiles, the composite schedule; setting and clearing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import clock
from core.access import Permission
from core.errors import Invalid
from portal.dashboard import dynamic_forms
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.pages import address, render_page
from portal.dashboard.station import frame
from portal.dashboard.stations import one_with_evses
from portal.dashboard.words import CHARGING_REASON, PROFILE_PURPOSE
from stations.domain import intents, smart_charging
from stations.domain.intents import Intent
from stations.domain.smart_charging import ChargingProfile, Kind, Period, Purpose, Schedule
from stations.models import ChargingStation, CompositeSchedule, Evse, InstalledProfile
from stations.services import commands
from stations.services.smart_charging import abilities, looking
from stations.services.smart_charging.looking import LimitNow, Limits

TEMPLATE = "dashboard/stations/smart_charging.html"
SAID = frozenset(
    {
        "set_charging_profile",
        "clear_charging_profile",
        "get_charging_profiles",
        "get_composite_schedule",
        "update_dynamic_schedule",
        "use_priority_charging",
    }
)
KILO = 1000
LARGEST_KW = 10_000
MOST_PERIODS = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One period of a composite schedule as a line of a table, with its share of the largest limit."""

    begins: datetime
    limit: Decimal
    share: int


@dataclass(frozen=True, slots=True)
class Curve:
    """A composite schedule as it is shown."""

    row: CompositeSchedule
    lines: list[Line]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """One EVSE with what limits it now."""

    evse: Evse
    limit: LimitNow | None


@dataclass(frozen=True, slots=True)
class Shown:
    """An installed profile in words."""

    row: InstalledProfile
    purpose: str | Promise
    limits: str
    ours: bool


@require_safe
@operator(Permission.STATIONS_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    return _page(request, one_with_evses(request, pk))


@require_POST
@operator(Permission.COMMANDS_STATION)
def send(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Issue the command of the pressed button; the answer shows in the list beside it."""
    station = one_with_evses(request, pk)
    make = FORMS.get(request.POST.get("command", ""))
    if make is None:
        raise Invalid(_("There is no such command."), field="command")
    commands.issue(
        station,
        make(station, request.POST),
        by=request.actor,
        if_offline="wait" if request.POST.get("if_offline") == "wait" else "fail",
    )
    if request.htmx:
        return _page(request, station)
    return go(request, address(request, "station_charging", pk))


def places(station: Any, limits: Limits) -> list[Place]:
    """The EVSEs of the station, each with its limit."""
    return [Place(evse, looking.limit_of(limits, evse)) for evse in station.shown_evses]


def _page(request: OperatorRequest, station: Any) -> HttpResponse:
    limits = looking.read(station.pk)
    context = frame(request, station, "station_charging")
    context.update(
        places=places(station, limits),
        others=limits.others,
        profiles=[_shown(row) for row in limits.profiles],
        dynamic=[row for row in limits.profiles if row.kind == Kind.DYNAMIC],
        figures=dynamic_forms.FIGURES,
        curves=[curve for curve in map(_curve, limits.composites) if curve],
        commands=_said(station.commands.order_by("-id")[:30]),
        evses=[evse.evse_id for evse in station.shown_evses],
        reasons=CHARGING_REASON,
        example=EXAMPLE,
    )
    return render_page(request, TEMPLATE, context, partial="state")


def _said(recent: Iterable[Any]) -> list[Any]:
    return [command for command in recent if command.command in SAID][:6]


def _curve(row: CompositeSchedule) -> Curve | None:
    periods = smart_charging.periods_of(row.periods)
    told = [(period.start_s, period.limit) for period in periods if period.limit is not None]
    largest = max((limit for _start, limit in told), default=Decimal(0))
    lines = [
        Line(
            row.starts_at + timedelta(seconds=start),
            limit,
            int(limit * 100 / largest) if largest else 0,
        )
        for start, limit in told[:MOST_PERIODS]
    ]
    return Curve(row, lines, more=len(told) > MOST_PERIODS) if lines else None


def _shown(row: InstalledProfile) -> Shown:
    schedules = row.content.get("schedules") or [{}]
    periods = schedules[0].get("periods") or []
    unit = schedules[0].get("rate_unit", "")
    limits = [str(period["limit"]) for period in periods if "limit" in period]
    more = " …" if len(limits) > MOST_LIMITS else ""
    text = " → ".join(limits[:MOST_LIMITS]) + more
    purpose = PROFILE_PURPOSE.get(row.purpose, row.purpose)
    return Shown(row, purpose, f"{text} {unit}" if limits else "–", row.source == smart_charging.CSO)


def _simple(station: ChargingStation, values: QueryDict) -> Intent:
    """A limit from now on, until when it is said: of the station, an EVSE or the session there."""
    evse_id = _evse(values)
    until = _until(values, ZoneInfo(station.site.time_zone))
    unit, limit = _limit(values)
    session = values.get("holds_for") == "session" and evse_id
    purpose = Purpose.STATION_MAX if not evse_id else Purpose.TX if session else Purpose.TX_DEFAULT
    highest = abilities.of(station.pk).max_stack_level
    schedule = Schedule(
        rate_unit=unit,
        periods=(Period(start_s=0, limit=limit),),
        start_schedule=clock.now().replace(microsecond=0),
    )
    profile = ChargingProfile(
        purpose=purpose,
        kind=Kind.ABSOLUTE,
        # Above what we send by ourselves, so that it leads and the other comes back when it is over.
        stack_level=1 if highest is None else min(1, highest),
        schedules=(schedule,),
        valid_to=until,
    )
    return intents.SetChargingProfile(evse_id=evse_id, charging_profile=smart_charging.to_json(profile))


def _whole(station: ChargingStation, values: QueryDict) -> Intent:
    try:
        content = orjson.loads(values.get("profile", ""))
    except orjson.JSONDecodeError as error:
        raise Invalid(_("The profile is not JSON: %s.") % error, field="profile") from error
    return intents.SetChargingProfile(evse_id=_evse(values), charging_profile=content)


def _clear(station: ChargingStation, values: QueryDict) -> Intent:
    number = values.get("charging_profile_id", "")
    if number:
        return intents.ClearChargingProfile(charging_profile_id=_number(number, "charging_profile_id"))
    return intents.ClearChargingProfile(evse_id=_evse(values) or None)


def _profiles(station: ChargingStation, values: QueryDict) -> Intent:
    return intents.GetChargingProfiles()


def _composite(station: ChargingStation, values: QueryDict) -> Intent:
    return intents.GetCompositeSchedule(evse_id=_evse(values))


def _dynamic(station: ChargingStation, values: QueryDict) -> Intent:
    return dynamic_forms.update(values)


def _evse(values: QueryDict) -> int:
    text = values.get("evse_id", "")
    return _number(text, "evse_id") if text else 0


def _number(text: str, field: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise Invalid(_("A whole number is expected."), field=field)
    return int(text)


def _limit(values: QueryDict) -> tuple[str, Decimal]:
    try:
        value = Decimal(values.get("limit", "").replace(",", "."))
    except InvalidOperation as error:
        raise Invalid(_("Enter the limit as a number."), field="limit") from error
    if not value.is_finite() or not 0 <= value <= LARGEST_KW:
        raise Invalid(_("Enter a limit from 0 to 10,000."), field="limit")
    return ("W", value * KILO) if values.get("unit") == "kW" else ("A", value)


def _until(values: QueryDict, zone: ZoneInfo) -> datetime | None:
    """As written, in the time zone of the site."""
    text = values.get("until", "").strip()
    if not text:
        return None
    try:
        until = datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError as error:
        raise Invalid(_("Enter until when as a date with time."), field="until") from error
    if until <= clock.now():
        raise Invalid(_("The time until which it holds is over."), field="until")
    return until


MOST_LIMITS = 4
EXAMPLE = orjson.dumps(
    {
        "purpose": "tx_default_profile",
        "kind": "recurring",
        "recurrency": "daily",
        "stack_level": 1,
        "schedules": [
            {
                "rate_unit": "A",
                "start_schedule": "2026-01-01T00:00:00Z",
                "periods": [{"start_s": 0, "limit": 16}, {"start_s": 64800, "limit": 10}],
            }
        ],
    },
    option=orjson.OPT_INDENT_2,
).decode()
FORMS: Mapping[str, Callable[[Any, QueryDict], Intent]] = {
    "simple_limit": _simple,
    "set_charging_profile": _whole,
    "clear_charging_profile": _clear,
    "get_charging_profiles": _profiles,
    "get_composite_schedule": _composite,
    "update_dynamic_schedule": _dynamic,
}
