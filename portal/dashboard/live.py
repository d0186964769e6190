"""The one stream of a tab: ids of what changed, and the figures of EVSEs in view (dashboard section 6).

Every event is filtered by organization, sites and permission. Rights are read again every minute. What
is too much for a tab is told as one ``resync``, after which the page looks for itself. While Valkey is away
nothing arrives that could be told: ``paused`` says so, and ``resumed`` that what was missed is to be looked up.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from core import bus, outage
from core.access import Actor, Permission
from core.errors import DomainError
from portal import health
from portal.dashboard.entry import enter
from portal.streaming import BEAT_S, RIGHTS_S, beat, event, give_back_connections, look_again, response
from stations.live import topic_of
from stations.models import ChargingStation

PER_OBJECT_S = 1.0
PER_STREAM = 20
ALLOWED: Mapping[str, Permission] = {
    "station": Permission.STATIONS_VIEW,
    "connection": Permission.STATIONS_VIEW,
    "rollout": Permission.STATIONS_VIEW,
    "firmware_image": Permission.STATIONS_VIEW,
    "command": Permission.STATIONS_VIEW,
    "num": Permission.STATIONS_VIEW,
    "transaction": Permission.SESSIONS_VIEW,
    "alert": Permission.ALERTS_VIEW,
    "authorization": Permission.DRIVERS_VIEW,
}


@dataclass
class Viewer:
    """Who watches, what of, and what may be told."""

    actor: Actor
    topics: frozenset[str]
    stations: frozenset[str] | None = None

    def wants(self, message: bus.Message) -> bool:
        """Whether the tab asked for it: ``station``, or ``station:<id>`` for one station only."""
        kind = message.get("t")
        return kind in self.topics or f"{kind}:{message.get('station') or message.get('id')}" in self.topics

    def may_see(self, message: bus.Message) -> bool:
        """Permission first, then the limit to sites: by the message's site, else by its station."""
        needed = ALLOWED.get(str(message.get("t")))
        if needed is None or not self.actor.can(needed):
            return False
        if self.actor.limited_to is None:
            return True
        if site := message.get("site"):
            return UUID(site) in self.actor.limited_to
        return self.stations is not None and str(message.get("station") or message.get("id")) in self.stations


@dataclass
class Pace:
    """At most one signal per object and second, and so many per stream and second."""

    last: dict[str, float] = field(default_factory=dict)
    held: dict[str, bus.Message] = field(default_factory=dict)
    second: int = 0
    sent: int = 0

    def admit(self, message: bus.Message, now: float) -> str:
        """``send`` it, ``hold`` it for :meth:`due`, or ``resync`` because there are too many."""
        key = f"{message['t']}:{message['id']}"
        if now - self.last.get(key, 0.0) < PER_OBJECT_S:
            self.held[key] = message
            return "hold"
        if int(now) != self.second:
            self.second, self.sent = int(now), 0
        self.sent += 1
        self.last[key] = now
        return "send" if self.sent <= PER_STREAM else "resync"

    def due(self, now: float) -> list[bus.Message]:
        """What was held and may go now: the newest of each object."""
        ready = [key for key in self.held if now - self.last[key] >= PER_OBJECT_S]
        for key in ready:
            self.last[key] = now
        if len(self.last) > 5_000:
            self.last = {key: at for key, at in self.last.items() if now - at < PER_OBJECT_S}
        return [self.held.pop(key) for key in ready]


async def stream(request: HttpRequest, organization: str) -> HttpResponseBase:
    """``text/event-stream``; with ``?check=1`` only whether the person may still watch."""
    viewer = await sync_to_async(_viewer)(request, organization)
    if viewer is None:
        return HttpResponse(status=401)
    if "check" in request.GET:
        return HttpResponse(status=204)
    return response(_events(request, organization, viewer))


stream.permission = Permission.STATIONS_VIEW  # type: ignore[attr-defined]


async def _events(request: HttpRequest, slug: str, viewer: Viewer) -> AsyncIterator[bytes]:
    assert viewer.actor.organization_id is not None
    pace, number, paused = Pace(), 0, False
    checked = beaten = time.monotonic()
    async with bus.subscriber().listen(topic_of(viewer.actor.organization_id)) as queue:
        yield beat()
        while not health.draining.is_set():
            message = await _next(queue, pace)
            now = time.monotonic()
            if paused != outage.valkey.is_on:
                paused = not paused
                yield event("paused" if paused else "resumed", {})
            if now - checked > RIGHTS_S:
                checked = now
                fresh = await sync_to_async(_viewer)(request, slug)
                if fresh is None:
                    yield event("out", {})
                    return
                viewer.actor, viewer.stations = fresh.actor, fresh.stations
            for name, data in _told(message, viewer, pace, now):
                number += 1
                yield event(name, data, number)
            if now - beaten >= BEAT_S:
                beaten = now
                yield beat()


async def _next(queue: "asyncio.Queue[bus.Message]", pace: Pace) -> bus.Message | None:
    """The next message, or ``None`` when it is time to look at the clock."""
    try:
        return await asyncio.wait_for(queue.get(), PER_OBJECT_S if pace.held else BEAT_S / 4)
    except TimeoutError:
        return None


def _told(
    message: bus.Message | None, viewer: Viewer, pace: Pace, now: float
) -> list[tuple[str, dict[str, Any]]]:
    told = [_shape(held) for held in pace.due(now)]
    if message is not None and viewer.wants(message) and viewer.may_see(message):
        verdict = pace.admit(message, now)
        if verdict == "send":
            told.append(_shape(message))
        elif verdict == "resync" and pace.sent == PER_STREAM + 1:
            told.append(("resync", {}))
    return told


def _shape(message: bus.Message) -> tuple[str, dict[str, Any]]:
    if message["t"] != "num":
        return "signal", {name: message[name] for name in ("t", "id", "v", "station") if message.get(name)}
    return "num", {
        "id": message["id"],
        "kw": _thousandth(message.get("w")),
        "kwh": _thousandth(message.get("wh")),
        "soc": message.get("soc"),
        "at": str(message.get("at", "")).replace(" ", "T").replace("+00", "Z"),
    }


def _thousandth(text: str | None) -> str | None:
    return None if text is None else f"{float(text) / 1000:.3f}"


def _viewer(request: HttpRequest, slug: str) -> Viewer | None:
    """Reads session and rights anew; gives the thread's database connection back, since a stream lasts long."""
    try:
        look_again(request)
        if enter(request, slug) is not None:
            return None
        actor: Actor = request.actor
        stations = None
        if actor.limited_to is not None:
            visible = ChargingStation.objects.visible_to(actor).values_list("pk", flat=True)
            stations = frozenset(map(str, visible))
        topics = frozenset(request.GET.get("topics", "").split(",")[:20])
        return Viewer(actor, topics, stations)
    except DomainError:
        return None
    finally:
        give_back_connections()
