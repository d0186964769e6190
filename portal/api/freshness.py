"""Whether what was answered before still holds: the versions of all rows that an answer is made of.

PostgreSQL names the transaction that wrote each row (``xmin``). As long as the same rows have the same writers, and no
instant has passed that matters, a key may do what it could, and a station looks as it did. One statement asks that for
all that wait.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from core import statements
from stations.ocpp.threads import AWAY, DatabaseThreads

MOST_AT_ONCE = 100
MOST_WAITING = 1_000
DEADLINE_S = 2.0
KEPT_S = 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """A key by its prefix, or an access token by its digest as hexadecimal digits; and the station."""

    prefix: str
    digest: str
    station: str


@dataclass(frozen=True, slots=True)
class Version:
    """The caller by the id of its key, and the writers of all that was looked at."""

    caller: str
    writers: str


def read(questions: Sequence[Question]) -> list[Version | None]:
    """The present versions; ``None`` for a key or station that is not there."""
    row = statements.execute(
        _VERSIONS,
        [
            [one.prefix for one in questions],
            [one.digest for one in questions],
            [one.station for one in questions],
        ],
    )
    lines = str(row[0]).split("\n") if row else []
    return [Version(*line.split(" ", 1)) if line else None for line in lines]


class Versions:
    """Asks for many at once: what comes while one statement runs waits for the next."""

    def __init__(self) -> None:
        self._threads = DatabaseThreads("api-versions", 1, deadline_s=DEADLINE_S, keep_s=KEPT_S)
        self._waiting: list[tuple[Question, asyncio.Future[Version | None]]] = []
        self._asking = False

    async def of(self, question: Question) -> Version | None:
        """The present version; ``None`` also while the database cannot be asked."""
        if len(self._waiting) >= MOST_WAITING:
            return None
        answer: asyncio.Future[Version | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if not self._asking:
            self._ask()
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await answer
        except TimeoutError:
            self._waiting = [one for one in self._waiting if not one[1].done()]
            self._threads.cut_stuck(DEADLINE_S)
            return None

    def _ask(self) -> None:
        some, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        self._asking = bool(some)
        if some:
            questions = [question for question, _ in some]
            answers = [answer for _, answer in some]
            self._threads.begin(lambda: read(questions), lambda ended: self._told(answers, ended))

    def _told(
        self,
        answers: Sequence["asyncio.Future[Version | None]"],
        ended: "Future[list[Version | None]]",
    ) -> None:
        error = ended.exception()
        found: Sequence[Version | None] = [None] * len(answers) if error else ended.result()
        for answer, version in zip(answers, found, strict=True):
            if not answer.done():
                answer.set_result(version)
        self._ask()
        if error is not None and not isinstance(error, AWAY):
            raise error


WATCHED = frozenset(
    {
        "core_apikey", "core_accesstoken", "core_organization", "stations_sitelimit", "stations_site",
        "stations_chargingstation", "stations_presence", "stations_evse", "stations_connector",
        "stations_transaction", "stations_tariffassignment", "tariffs_tariff",
    }
)  # fmt: skip
"""The tables that the statement looks at; a test holds them against those that the long way reads."""

_VERSIONS = r"""
SELECT string_agg(coalesce(f.caller || ' ' || f.writers, ''), E'\n' ORDER BY q.n)
FROM unnest(%s::text[], %s::text[], %s::uuid[]) WITH ORDINALITY AS q (prefix, digest, station, n)
LEFT JOIN LATERAL (
    SELECT k.id::text AS caller, ROW(
        k.xmin, o.xmin, t.xmin, t.expires_at > now(), k.expires_at > now(), k.former_until > now(),
        k.last_used_at > now() - interval '60 seconds',
        (SELECT string_agg(l.id || ':' || l.xmin, ',' ORDER BY l.id)
         FROM stations_sitelimit l WHERE l.api_key_id = k.id),
        s.xmin, i.xmin, p.xmin,
        (SELECT string_agg(concat(e.id, ':', e.xmin, ':', x.xmin, ':',
            (SELECT string_agg(c.id || ':' || c.xmin, ',' ORDER BY c.id)
             FROM stations_connector c WHERE c.evse_id = e.id)), ',' ORDER BY e.id)
         FROM stations_evse e LEFT JOIN stations_transaction x ON x.id = e.active_id WHERE e.station_id = s.id),
        (SELECT string_agg(concat(a.id, ':', a.xmin, ':', r.xmin), ',' ORDER BY a.id)
         FROM stations_tariffassignment a JOIN tariffs_tariff r ON r.id = a.tariff_id
         WHERE a.station_id = s.id AND a.ended_at IS NULL),
        (SELECT concat(count(*), ':', max(a.ended_at)) FROM stations_tariffassignment a
         WHERE a.station_id = s.id AND a.ended_at IS NOT NULL)
    )::text AS writers
    FROM stations_chargingstation s
    JOIN stations_site i ON i.id = s.site_id
    LEFT JOIN stations_presence p ON p.station_id = s.id
    LEFT JOIN core_accesstoken t ON t.digest = decode(q.digest, 'hex') AND q.digest <> ''
    JOIN core_apikey k ON k.id = coalesce(t.key_id, (SELECT b.id FROM core_apikey b WHERE b.prefix = q.prefix))
    JOIN core_organization o ON o.id = k.organization_id
    WHERE s.id = q.station
) f ON true
"""
