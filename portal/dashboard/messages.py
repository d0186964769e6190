"""Raw messages of a station: request and answer paired, already masked when they were stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from django.http import HttpResponse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.access import Permission
from portal.dashboard import vendor_messages
from portal.dashboard.entry import BadAddress, OperatorRequest, go, operator
from portal.dashboard.pages import Page, address, render_page
from portal.dashboard.station import find, frame
from stations.models import ChargingStation, RawFrame
from stations.services import commands

TEMPLATE = "dashboard/stations/messages.html"
SIZE = 60
CALL, RESULT, ERROR, OBJECTION = 2, 3, 4, 5
TROUBLE = ("refused", "dropped", "late")


@dataclass
class Pair:
    """A request, what was answered, and (2.1) what was objected to the answer.

    What belongs to a request on another page stands alone.
    """

    first: RawFrame
    answer: RawFrame | None = None
    objection: RawFrame | None = None

    @property
    def outgoing(self) -> bool:
        return (self.first.direction == "out") == (self.first.type in (CALL, None))

    @property
    def verdict(self) -> str:
        return self.answer.verdict if self.answer and self.first.verdict == "ok" else self.first.verdict

    @property
    def failed(self) -> bool:
        is_error = self.answer is not None and self.answer.type == ERROR
        objected = self.objection is not None or self.first.type == OBJECTION
        return is_error or objected or self.verdict.partition(":")[0] in TROUBLE

    @property
    def latency_ms(self) -> float | None:
        latency = self.answer.latency_us if self.answer else self.first.latency_us
        return None if latency is None else latency / 1000

    @property
    def size_bytes(self) -> int:
        return self.first.size_bytes + (self.answer.size_bytes if self.answer else 0)


@require_safe
@operator(Permission.MESSAGES_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = find(request, pk)
    if request.GET.get("part") == "sent":
        return _sent(request, station)
    query = {name: request.GET.get(name, "").strip() for name in ("action", "direction", "errors", "before")}
    rows = RawFrame.objects.filter(station=station)
    if query["action"]:
        rows = rows.filter(action__iexact=query["action"])
    if query["direction"] in ("in", "out"):
        rows = rows.filter(direction=query["direction"])
    if query["errors"]:
        rows = rows.exclude(verdict__in=["ok", "repaired"]) | rows.filter(type__in=(ERROR, OBJECTION))
    if query["before"]:
        at, pk = _place(query["before"])
        rows = rows.filter(at__lte=at).exclude(at=at, id__gte=pk)
    frames = list(rows.order_by("-at", "-id")[: SIZE + 1])
    context = frame(request, station, "station_messages")
    context.update(pairs=paired(frames[:SIZE]), query=query, page=_page(frames, query))
    if not request.htmx and request.actor.can(Permission.COMMANDS_EXPERT):
        context["sent"] = vendor_messages.recent(station)
    return render_page(request, TEMPLATE, context, partial="results")


@require_POST
@operator(Permission.MESSAGES_VIEW)
def send(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """A vendor's message to the station; its answer shows below the form."""
    station = find(request, pk)
    request.actor.require(Permission.COMMANDS_EXPERT, station)
    commands.issue(
        station,
        vendor_messages.wish(request.POST),
        by=request.actor,
        if_offline="wait" if request.POST.get("if_offline") == "wait" else "fail",
    )
    if request.htmx:
        return _sent(request, station)
    return go(request, address(request, "station_messages", pk))


def _sent(request: OperatorRequest, station: ChargingStation) -> HttpResponse:
    request.actor.require(Permission.COMMANDS_EXPERT, station)
    context = {**frame(request, station, "station_messages"), "sent": vendor_messages.recent(station)}
    return render_page(request, TEMPLATE, context, partial="sent")


def paired(frames: list[RawFrame]) -> list[Pair]:
    """Newest first; answers and objections joined with their request by message id."""
    waiting: dict[str, Pair] = {}
    pairs: list[Pair] = []
    for one in frames:
        pair = waiting.get(one.message_id) if one.message_id else None
        if pair is None or not _joins(pair, one):
            pair = Pair(one)
            pairs.append(pair)
        if one.type == CALL:
            waiting.pop(one.message_id, None)
        else:
            waiting[one.message_id] = pair
    return pairs


def _joins(pair: Pair, earlier: RawFrame) -> bool:
    """Put what came earlier before the first of the pair, where it leads to it."""
    if earlier.type in (RESULT, ERROR) and pair.first.type == OBJECTION:
        pair.first, pair.objection = earlier, pair.first
        return True
    if earlier.type == CALL and pair.first.type in (RESULT, ERROR):
        pair.first, pair.answer = earlier, pair.first
        return True
    return False


def shown(text: str) -> str:
    """A frame, indented where it is JSON, as it is otherwise."""
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return text


def _page(frames: list[RawFrame], query: dict[str, str]) -> Page:
    kept: dict[str, Any] = {name: value for name, value in query.items() if value and name != "before"}
    older = (
        urlencode({**kept, "before": f"{frames[SIZE - 1].at.isoformat()}~{frames[SIZE - 1].pk}"})
        if len(frames) > SIZE
        else ""
    )
    return Page([], older, urlencode(kept) or "-" if query["before"] else "")


def _place(text: str) -> tuple[datetime, int]:
    """Time and number of the frame to go on from. Raises :class:`BadAddress` for what is none of ours."""
    moment, _sep, number = text.partition("~")
    try:
        found = parse_datetime(moment)
    except ValueError:
        found = None
    known = number.isascii() and number.isdigit() and len(number) < 19
    if found is None or found.tzinfo is None or not 2000 <= found.year < 3000 or not known:
        raise BadAddress(_("This page of the list does not exist. Begin with the newest entries."))
    return found, int(number)
