"""Raw messages of a station: request and answer paired, already masked when they were stored."""

from dataclasses import dataclass
from uuid import UUID

import orjson
from django.db.transaction import atomic
from django.http import HttpResponse, HttpResponseBase
from django.views.decorators.http import require_POST, require_safe

from core import audit
from core.access import Permission
from portal.dashboard import vendor_messages
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.message_search import Search, search
from portal.dashboard.pages import Page, address, render_page
from portal.dashboard.station import find, frame
from portal.downloads import streamed
from stations.domain.personal import shortened
from stations.domain.vendor_data import parsed
from stations.models import ChargingStation, RawFrame
from stations.services import commands

TEMPLATE = "dashboard/stations/messages.html"
SIZE = 60
EXPORT_MAX = 50_000
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
    def fault(self) -> str:
        """What the refusal says is wrong, in the words of the one who refused."""
        said = parsed(self.answer.text) if self.answer is not None and self.answer.type == ERROR else None
        return said[3] if isinstance(said, list) and len(said) > 3 and isinstance(said[3], str) else ""

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
    wanted = search(request.GET, station, request.actor)
    may_see = request.actor.can(Permission.DRIVERS_VIEW)
    frames = [_seen(one, may_see) for one in wanted.newest(station, SIZE + 1)]
    context = frame(request, station, "station_messages")
    context.update(pairs=paired(frames[:SIZE]), query=wanted.query, search=wanted, page=_page(frames, wanted))
    if not request.htmx and request.actor.can(Permission.COMMANDS_EXPERT):
        context["sent"] = vendor_messages.recent(station)
    return render_page(request, TEMPLATE, context, partial="results")


@require_safe
@operator(Permission.MESSAGES_VIEW)
def export(request: OperatorRequest, pk: UUID) -> HttpResponseBase:
    """The newest frames of a search as NDJSON, oldest last."""
    station = find(request, pk)
    wanted = search(request.GET, station, request.actor)
    asked = {name: [None, value] for name, value in wanted.query.items() if value}
    rows = wanted.newest(station, EXPORT_MAX)
    may_see = request.actor.can(Permission.DRIVERS_VIEW)
    lines = (_line(_seen(one, may_see)) for one in rows.iterator(chunk_size=200))
    name = f"messages-{station.pk}.ndjson"
    with atomic():
        audit.record("list.exported", station, by=request.actor, changes=asked, reason=request.path)
        return streamed(request, lines, content_type="application/x-ndjson", filename=name, by=request.actor)


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
    """Newest first; a request with the nearest answer and objection that came after it."""
    waiting: dict[tuple[int, str, bool], Pair] = {}
    pairs: list[Pair] = []
    for one in frames:
        exchange = _exchange(one)
        pair = waiting.get(exchange) if one.message_id else None
        if pair is None or not _joins(pair, one):
            pair = Pair(one)
            pairs.append(pair)
        if one.type == CALL:
            waiting.pop(exchange, None)
        else:
            waiting[exchange] = pair
    return pairs


def _exchange(one: RawFrame) -> tuple[int, str, bool]:
    """Message ids are counted by each side of each socket for itself."""
    we_called = (one.direction == "out") != (one.type in (RESULT, ERROR))
    return one.epoch, one.message_id, we_called


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


def _page(frames: list[RawFrame], wanted: Search) -> Page:
    older = ""
    if len(frames) > SIZE:
        older = wanted.address(before=f"{frames[SIZE - 1].at.isoformat()}~{frames[SIZE - 1].pk}")
    return Page([], older, wanted.address() or "-" if wanted.query["before"] else "")


def _seen(one: RawFrame, whole: bool) -> RawFrame:
    """The frame as the person may see it: without drivers' tokens, unless ``whole``."""
    if not whole:
        one.text = shortened(one.text)
    return one


def _line(one: RawFrame) -> str:
    """A frame with its verdict as one line of NDJSON; its text as it came, masked."""
    latency_ms = None if one.latency_us is None else one.latency_us / 1000
    return (
        orjson.dumps(
            {
                "at": one.at,
                "direction": one.direction,
                "type": one.type,
                "message_id": one.message_id,
                "action": one.action,
                "verdict": one.verdict,
                "latency_ms": latency_ms,
                "size_bytes": one.size_bytes,
                "repairs": one.repairs or [],
                "frame": one.text,
            }
        ).decode()
        + "\n"
    )
