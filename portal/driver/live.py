"""The stream of a session's page on the phone: that something changed, and of the person's own session only.

It carries no figures: the page reads itself again. Rights are read again every minute; the stream ends with
them. While Valkey is away the page hears nothing and looks by itself, as it does without a stream.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from core import bus
from portal import accounts, health
from portal.driver.entry import drivers_of
from portal.streaming import BEAT_S, RIGHTS_S, beat, event, give_back_connections, look_again, response
from stations.domain.words import TransactionStatus
from stations.live import topic_of
from stations.models import Transaction

PACE_S = 1.0
"""At most one signal in this time, the last one always."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The one session that is watched, and the EVSE whose figures are its own while it runs."""

    organization_id: UUID
    names: frozenset[tuple[str, str]]

    def concerns(self, message: bus.Message) -> bool:
        return (str(message.get("t")), str(message.get("id"))) in self.names


async def stream(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """``text/event-stream`` with ``changed``; 401 for nobody, 404 for a session that is not the person's own."""
    watched = await sync_to_async(_watched)(request, pk)
    if watched is None:
        return HttpResponse(status=404 if request.user.is_authenticated else 401)
    return response(_events(request, pk, watched))


stream.own = True  # type: ignore[attr-defined]  # read by the walk over all routes


async def _events(request: HttpRequest, pk: UUID, watched: Watched) -> AsyncIterator[bytes]:
    checked = beaten = time.monotonic()
    told, changed = 0.0, False
    async with bus.subscriber().listen(topic_of(watched.organization_id)) as queue:
        yield beat()
        while not health.draining.is_set():
            message = await _next(queue, PACE_S if changed else BEAT_S / 4)
            now = time.monotonic()
            if now - checked > RIGHTS_S:
                checked = now
                fresh = await sync_to_async(_watched)(request, pk)
                if fresh is None:
                    yield event("out", {})
                    return
                watched = fresh
            changed = changed or (message is not None and watched.concerns(message))
            if changed and now - told >= PACE_S:
                told, changed = now, False
                yield event("changed", {})
            if now - beaten >= BEAT_S:
                beaten = now
                yield beat()


async def _next(queue: "asyncio.Queue[bus.Message]", patience_s: float) -> bus.Message | None:
    try:
        return await asyncio.wait_for(queue.get(), patience_s)
    except TimeoutError:
        return None


def _watched(request: HttpRequest, pk: UUID) -> Watched | None:
    """Whether the signed-in person is the session's driver still; read anew each time."""
    try:
        look_again(request)
        if accounts.signed_in(request) is None or not accounts.keep_alive(request):
            return None
        session = Transaction.objects.filter(driver__in=drivers_of(request), pk=pk).first()
        if session is None:
            return None
        names = {("transaction", str(pk))}
        if session.status == TransactionStatus.ACTIVE:
            names.add(("num", str(session.evse_id)))
        return Watched(session.organization_id, frozenset(names))
    finally:
        give_back_connections()
