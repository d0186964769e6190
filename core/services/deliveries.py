"""Sending events to webhooks: signed, tried again for a day, never twice at once (M-05, F-25, W-26).

A due delivery is claimed by pushing ``next_try_at`` ahead: that is the lease, and ``tries`` tells whose claim
it is. Whoever dies leaves it to the next run. An address that fails is asked with one delivery at a time until
it answers; after a day of failing it is switched off, and what waits for it is kept.
"""

import base64
import hashlib
import hmac
import http
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from django.db import connection
from django.db.models import Count, Q
from django.db.transaction import atomic

from core import access, audit, clock, egress
from core.ids import uuid7_of
from core.models import Delivery, DeliveryAttempt, Webhook
from core.models.webhooks import LEASE
from core.services import outbox, webhook_mails, webhook_news, webhooks

logger = logging.getLogger(__name__)

LOCK = 0x73656E64  # of pg_advisory_lock: one process sends at a time
THREADS = 24
PER_WEBHOOK = 8
PER_ORGANIZATION = 12
SLOW_S, PER_SLOW_WEBHOOK = 1.0, 2
BUDGET_S = 25.0
TOGETHER_S, LOOK_AGAIN_S = 0.01, 0.2
BACK_OFF_S = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 30_600)
"""The last try is made after more than a day, so that an address that failed throughout is switched off by it."""
SWITCHED_OFF_AFTER = timedelta(hours=24)
PROBE_AT_LEAST = timedelta(seconds=5)
PROBE_AT_MOST = timedelta(minutes=10)
AGENT = "Chargeyard-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours to try now, with all that a thread needs to send it."""

    delivery_id: int
    webhook_id: UUID
    organization_id: UUID
    tries: int
    tries_before: int
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    event_id: UUID
    body: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a try; ``failure`` is empty where the other side took it."""

    claim: Claim
    at: datetime
    duration_ms: int
    failure: str = ""
    answer: egress.Answer | None = None
    is_theirs: bool = True
    """Whether a failure is one of the address, and none of ours."""


def run(budget_s: float = BUDGET_S) -> int:
    """Relay what is new and send all that is due, for so many seconds; how many tries were made.

    Another process that is at it already is left to it.
    """
    outbox.relay()
    with _alone() as is_ours:
        return _send_all(budget_s) if is_ours else 0


def send(claim: Claim) -> Result:
    """Post it once; touches no database."""
    at, began = clock.now(), time.monotonic()
    failure, answer, is_theirs = "", None, True
    if not claim.secrets:
        failure = "The secret of the webhook cannot be read. Make a new one."
        return Result(claim, at, 0, failure, is_theirs=False)
    try:
        headers = {**signed(claim, at), "Content-Type": "application/json", "User-Agent": AGENT}
        answer = egress.fetch(
            claim.url, body=claim.body, headers=headers, schemes=webhooks.schemes_of(claim.url)
        )
    except (egress.EgressRefused, egress.EgressFailed) as error:
        failure, is_theirs = str(error), not isinstance(error, egress.EgressBusy)
    if answer is not None and not 200 <= answer.status < 300:
        failure = f"The address answered {answer.status} {_phrase(answer.status)}".strip() + "."
    return Result(claim, at, round((time.monotonic() - began) * 1000), failure, answer, is_theirs)


def signed(claim: Claim, at: datetime) -> Mapping[str, str]:
    """The headers of Standard Webhooks: one signature for each secret, of id, time and body."""
    name, seconds = str(claim.event_id), str(int(at.timestamp()))
    content = b".".join([name.encode(), seconds.encode(), claim.body])
    signatures = [
        base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode()
        for secret in claim.secrets
    ]
    return {
        "webhook-id": name,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{one}" for one in signatures),
    }


def body_of(kind: str, occurred_at: datetime, sequence: int, data: Any) -> bytes:
    """What is posted: the same bytes at every try."""
    message = {"type": kind, "timestamp": occurred_at, "sequence": sequence, "data": data}
    return orjson.dumps(message, option=orjson.OPT_UTC_Z)


def settle(results: Sequence[Result]) -> None:
    """Write down what became of tries. A claim that somebody else has taken over meanwhile counts no more."""
    with atomic():
        ours = [*_arrived([one for one in results if not one.failure]), *_failed(results)]
        DeliveryAttempt.objects.bulk_create(map(_attempt, ours))


def rates(organization_id: UUID, since: datetime) -> dict[UUID, tuple[int, int]]:
    """Deliveries that arrived and that were given up, or failed so far, since then, by webhook."""
    rows = (
        Delivery.objects.filter(webhook__organization_id=organization_id, created_at__gte=since)
        .order_by()
        .values_list("webhook_id")
        .annotate(
            arrived=Count("id", filter=Q(status=Delivery.Status.DELIVERED)),
            failed=Count("id", filter=~Q(status=Delivery.Status.DELIVERED) & Q(tries__gt=0)),
        )
    )
    return {webhook_id: (arrived, failed) for webhook_id, arrived, failed in rows}


def _send_all(budget_s: float) -> int:
    deadline, turn = time.monotonic() + budget_s, _Turn()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks") as pool:
        while True:
            if time.monotonic() < deadline and turn.may_claim():
                turn.begin(pool, _claim(THREADS - len(turn.flying), turn))
            if not turn.flying:
                return turn.tried
            wait(turn.flying, timeout=LOOK_AGAIN_S, return_when=FIRST_COMPLETED)
            done, _ = wait(turn.flying, timeout=TOGETHER_S)
            if done:
                settle(turn.end(done))


class _Turn:
    """What is on its way, and how much of the threads each address and organization may have.

    An address that takes long to answer has a small share, and so keeps nobody else's events back.
    """

    def __init__(self) -> None:
        self.flying: dict[Future[Result], Claim] = {}
        self.tried = 0
        self.slow: set[UUID] = set()
        self._claimed_at = 0.0

    def may_claim(self) -> bool:
        """Many at once, so that a claim is worth its statement; the few places beside slow ones now and then."""
        room, now = THREADS - len(self.flying), time.monotonic()
        if room < THREADS // 2 and (room == 0 or now - self._claimed_at < LOOK_AGAIN_S):
            return False
        self._claimed_at = now
        return True

    def begin(self, pool: ThreadPoolExecutor, claims: Iterable[Claim]) -> None:
        for one in claims:
            self.flying[pool.submit(send, one)] = one

    def end(self, done: Iterable[Future[Result]]) -> list[Result]:
        results = [_result_of(future, self.flying.pop(future)) for future in done]
        for one in results:
            is_slow = one.duration_ms >= SLOW_S * 1000
            (self.slow.add if is_slow else self.slow.discard)(one.claim.webhook_id)
        self.tried += len(results)
        return results

    def crowded(self) -> list[UUID]:
        """Webhooks that have their share of the threads."""
        counts = Counter(claim.webhook_id for claim in self.flying.values())
        return [key for key, count in counts.items() if count >= self._share(key)]

    def used(self) -> Counter[UUID]:
        """How many threads each organization has."""
        return Counter(claim.organization_id for claim in self.flying.values())

    def _share(self, webhook_id: UUID) -> int:
        return PER_SLOW_WEBHOOK if webhook_id in self.slow else PER_WEBHOOK


@contextmanager
def _alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        is_ours = bool(cursor.fetchone()[0])
        try:
            yield is_ours
        finally:
            if is_ours:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _result_of(future: Future[Result], claim: Claim) -> Result:
    """A try that broke is one that failed: no delivery stands in the way of the others (F-26)."""
    error = future.exception()
    if error is None:
        return future.result()
    logger.error("webhook.broke", exc_info=error, extra={"delivery": claim.delivery_id})
    return Result(claim, clock.now(), 0, "It could not be sent.", is_theirs=False)


def _secrets_of(webhook: Webhook) -> tuple[str, ...]:
    """None where the key that sealed them is gone."""
    try:
        return tuple(webhooks.secrets_of(webhook))
    except (InvalidTag, KeyError):
        return ()


def _claim(room: int, turn: _Turn) -> list[Claim]:
    if room <= 0:
        return []
    now, used = clock.now(), turn.used()
    values: dict[str, Any] = {
        "now": now,
        "lease": now + LEASE,
        "room": room,
        "crowded": turn.crowded(),
        "slow": list(turn.slow),
        "share": PER_WEBHOOK,
        "busy": list(used),
        "used": list(used.values()),
        "per_organization": PER_ORGANIZATION,
        "test": outbox.TEST,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        rows = cursor.fetchall()
    known = Webhook.objects.in_bulk({row[1] for row in rows})
    secrets = {key: _secrets_of(webhook) for key, webhook in known.items()}
    return [
        Claim(
            delivery_id=key,
            webhook_id=webhook_id,
            organization_id=known[webhook_id].organization_id,
            tries=tries,
            tries_before=tries_before,
            url=known[webhook_id].url,
            secrets=secrets[webhook_id],
            event_id=uuid7_of(occurred_at, sequence),
            body=body_of(kind, occurred_at, sequence, orjson.loads(data)),
        )
        for key, webhook_id, tries, tries_before, sequence, kind, occurred_at, data in rows
    ]


def _arrived(results: Sequence[Result]) -> list[Result]:
    """Those whose claim is still ours; their addresses work."""
    if not results:
        return []
    claims = sorted((one.claim.delivery_id, one.claim.tries) for one in results)
    with connection.cursor() as cursor:
        cursor.execute(_ARRIVED, {"ids": [key for key, _ in claims], "tries": [tries for _, tries in claims]})
        ours = {key for (key,) in cursor.fetchall()}
    kept = [one for one in results if one.claim.delivery_id in ours]
    failing = Webhook.objects.filter(pk__in={one.claim.webhook_id for one in kept})
    failing.exclude(failing_since=None).update(failing_since=None, blocked_until=None)
    return kept


def _failed(results: Iterable[Result]) -> list[Result]:
    failures = sorted((one for one in results if one.failure), key=lambda one: one.claim.delivery_id)
    kept = [one for one in failures if _put_off(one)]
    for one in kept:
        if one.is_theirs:
            _judge(one)
    return kept


def _put_off(result: Result) -> bool:
    """To the next try, or for good after the last; ``False`` where the claim is no longer ours."""
    claim = result.claim
    ours = Delivery.objects.filter(pk=claim.delivery_id, tries=claim.tries, status=Delivery.Status.PENDING)
    made = claim.tries - claim.tries_before
    if made > len(BACK_OFF_S):
        return bool(ours.update(status=Delivery.Status.FAILED, next_try_at=None))
    return bool(ours.update(next_try_at=clock.now() + timedelta(seconds=BACK_OFF_S[made - 1])))


def _attempt(result: Result) -> DeliveryAttempt:
    answer = result.answer
    return DeliveryAttempt(
        delivery_id=result.claim.delivery_id,
        number=result.claim.tries,
        at=result.at,
        duration_ms=result.duration_ms,
        status_code=answer.status if answer else None,
        content_type=answer.content_type[:100] if answer else "",
        size_bytes=len(answer.body) if answer else None,
        failure=result.failure[:200],
    )


def _judge(result: Result) -> None:
    """An address that fails is spared; one that failed for a day is switched off."""
    row = Webhook.objects.filter(pk=result.claim.webhook_id, retired_at=None)
    now = clock.now()
    row.filter(failing_since=None).update(failing_since=now)
    since = row.values_list("failing_since", flat=True).first() or now
    row.update(blocked_until=now + min(max((now - since) / 4, PROBE_AT_LEAST), PROBE_AT_MOST))
    overdue = row.filter(state=Webhook.State.ACTIVE, failing_since__lte=now - SWITCHED_OFF_AFTER)
    if overdue.update(state=Webhook.State.DISABLED, disabled_at=now):
        _tell_disabled(row.get(), result.failure)


def _tell_disabled(webhook: Webhook, failure: str) -> None:
    audit.record("webhook.disabled", webhook, by=access.system("webhooks"), reason=failure)
    outbox.record(
        "webhook.disabled",
        organization_id=webhook.organization_id,
        object_id=webhook.pk,
        data={"webhook": str(webhook.pk), "name": webhook.name, "failure": failure},
    )
    webhook_mails.tell_disabled(webhook, failure)
    webhook_news.switched_off.send(Webhook, webhook=webhook, failure=failure)


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


_ARRIVED = """
UPDATE core_delivery d SET status = 'delivered', next_try_at = NULL, delivered_at = clock_timestamp()
FROM unnest(%(ids)s::bigint[], %(tries)s::int[]) AS claim(id, tries)
WHERE d.id = claim.id AND d.tries = claim.tries AND d.status = 'pending'
RETURNING d.id
"""

# ``SKIP LOCKED``: whoever claims at the same time takes others. Organizations take turns, and each has its share.
_CLAIM = """
WITH ready AS (
    SELECT d.id, d.next_try_at, coalesce(u.used, 0) + row_number() OVER (
        PARTITION BY w.organization_id ORDER BY d.next_try_at) AS place
    FROM core_webhook w
    LEFT JOIN unnest(%(busy)s::uuid[], %(used)s::int[]) AS u(id, used) ON u.id = w.organization_id
    CROSS JOIN LATERAL (
        SELECT x.id, x.next_try_at FROM core_delivery x JOIN core_event e ON e.id = x.event_id
        WHERE x.webhook_id = w.id AND x.status = 'pending' AND x.next_try_at <= %(now)s
            AND (e.type = %(test)s
                OR (w.state = 'active' AND (w.blocked_until IS NULL OR w.blocked_until <= %(now)s)))
        ORDER BY x.next_try_at, x.event_id
        LIMIT CASE WHEN w.failing_since IS NULL AND w.id <> ALL(%(slow)s::uuid[]) THEN %(share)s ELSE 1 END
        FOR UPDATE OF x SKIP LOCKED
    ) d
    WHERE w.retired_at IS NULL AND w.id <> ALL(%(crowded)s::uuid[])
), due AS (
    SELECT id FROM ready WHERE place <= %(per_organization)s ORDER BY place, next_try_at LIMIT %(room)s
), claimed AS (
    UPDATE core_delivery c SET next_try_at = %(lease)s, tries = c.tries + 1 FROM due WHERE c.id = due.id
    RETURNING c.id, c.webhook_id, c.tries, c.tries_before, c.event_id
)
SELECT c.id, c.webhook_id, c.tries, c.tries_before, e.id, e.type, e.occurred_at, e.data::text
FROM claimed c JOIN core_event e ON e.id = c.event_id ORDER BY e.id
"""
