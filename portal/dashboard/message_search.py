"""What a person looks for among a station's messages: bounded in time wherever texts are searched."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Max, Min, Q, QuerySet
from django.http import Http404
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from core import clock
from core.access import Actor
from portal.dashboard.entry import BadAddress
from stations.models import ChargingStation, RawFrame, Transaction

NAMES = ("action", "direction", "errors", "text", "session", "from", "until", "before")
TEXT_MAX = 255
TEXT_WITHIN = timedelta(days=1)
AROUND_SESSION = timedelta(minutes=2)
ERROR, OBJECTION = 4, 5
MOMENT = forms.DateTimeField(required=False)


@dataclass(frozen=True, slots=True)
class Search:
    """The filters of the address, as they were typed. Raises :class:`BadAddress` where one cannot be read."""

    query: Mapping[str, str]
    since: datetime | None
    until: datetime | None
    session: Transaction | None

    @property
    def bounded(self) -> bool:
        """Whether only the last day was searched, since no time was named."""
        return bool(self.query["text"]) and self.since is None

    def newest(self, station: ChargingStation, most: int) -> QuerySet[RawFrame]:
        """That many frames; where texts decide, all frames of the exchanges in which one was found."""
        rows = self._within(RawFrame.objects.filter(station=station))
        if self.session is not None:
            rows = _exchanges(rows, rows.filter(text__regex=_naming(self.session)), most)
        if text := self.query["text"]:
            found = rows.filter(message_id=text) | rows.filter(text__icontains=text)
            rows = _exchanges(rows, found, most)
        if self.query["action"]:
            rows = rows.filter(action__iexact=self.query["action"])
        if self.query["direction"] in ("in", "out"):
            rows = rows.filter(direction=self.query["direction"])
        if self.query["errors"]:
            rows = rows.exclude(verdict__in=["ok", "repaired"]) | rows.filter(type__in=(ERROR, OBJECTION))
        return rows.order_by("-at", "-id")[:most]

    def address(self, **more: str) -> str:
        """The same search as a query string, from its newest entry unless ``before`` is given."""
        kept = {name: value for name, value in self.query.items() if value and name != "before"}
        return urlencode({**kept, **more})

    def _within(self, rows: QuerySet[RawFrame]) -> QuerySet[RawFrame]:
        since = clock.now() - TEXT_WITHIN if self.bounded else self.since
        if since is not None:
            rows = rows.filter(at__gte=since)
        if self.until is not None:
            rows = rows.filter(at__lt=self.until)
        if place := self.query["before"]:
            at, key = place_of(place)
            rows = rows.filter(at__lte=at).exclude(at=at, id__gte=key)
        return rows


def search(asked: Mapping[str, Any], station: ChargingStation, actor: Actor) -> Search:
    """Read the address. Raises :class:`BadAddress`, and ``Http404`` for a session that is not to be seen."""
    query = {name: str(asked.get(name, "")).strip()[:TEXT_MAX].replace("\x00", "") for name in NAMES}
    since, until = _moment(query["from"]), _moment(query["until"])
    session = _session(query["session"], station, actor) if query["session"] else None
    if session is not None:
        told = session.events.aggregate(first=Min("received_at"), last=Max("received_at"))
        since = since or (told["first"] and told["first"] - AROUND_SESSION)
        until = until or (told["last"] and session.ended_at and told["last"] + AROUND_SESSION)
    return Search(query, since, until, session)


def place_of(text: str) -> tuple[datetime, int]:
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


def _exchanges(rows: QuerySet[RawFrame], found: QuerySet[RawFrame], most: int) -> QuerySet[RawFrame]:
    """The exchanges of the newest found frames. Many stations count their message ids anew on each socket."""
    exchanges = Q(pk__in=[])
    named = found.exclude(message_id="").order_by("-at", "-id").values_list("epoch", "message_id")
    of_socket: dict[int, list[str]] = {}
    for epoch, message_id in named[:most]:
        of_socket.setdefault(epoch, []).append(message_id)
    for epoch, ids in of_socket.items():
        exchanges |= Q(epoch=epoch, message_id__in=ids)
    return rows.filter(exchanges) | found.filter(message_id="")


def _naming(session: Transaction) -> str:
    """A pattern for the messages that name the session, in the words of 1.6 and of 2.x."""
    names = [re.escape(name) for name in (session.reference, str(session.number or "")) if name]
    return rf'"transactionId"\s*:\s*"?({"|".join(names)})["\s,}}]'


def _moment(text: str) -> datetime | None:
    try:
        found: datetime | None = MOMENT.clean(text)
    except ValidationError:
        found = None
    if text and (found is None or not 2000 <= found.year < 3000):
        raise BadAddress(_("This is no date with a time. Choose it from the calendar of the field."))
    return found


def _session(text: str, station: ChargingStation, actor: Actor) -> Transaction:
    try:
        key = UUID(text)
    except ValueError as error:
        raise Http404 from error
    found = Transaction.objects.visible_to(actor).filter(station=station, pk=key).first()
    if found is None:
        raise Http404
    return found
