"""The chain of hashes over the audit: extended and checked in the background, and by `manage.py verify_audit`.

An entry is written inside the transaction of what it tells of; linking it there would put all audited
writes in one queue. So links are made afterwards, by one process at a time, for entries that are committed.
Nobody can change an entry meanwhile: triggers refuse it to the application's role. The chain is what shows
that somebody with more rights did.

What the chain cannot show by itself is that its end was cut off. For that the last link, which the check
prints, is noted outside the database and handed to a later check.
"""

import hashlib
import logging
from collections.abc import Iterator
from datetime import UTC, timedelta
from itertools import islice

import orjson
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.db.transaction import atomic

from core import clock
from core.models import AuditCheck, AuditEntry, AuditSeal

logger = logging.getLogger(__name__)

START = bytes(32)
BATCH = 2_000
LONGEST_TRANSACTION = timedelta(hours=1)
CHECK_EVERY = timedelta(days=1)
MOST_TOLD = 20
CHECKS_KEPT = 100
LOCK = 0x61756469  # of pg_advisory_xact_lock: one process makes links at a time
SAID = (
    "id",
    "at",
    "organization_id",
    "actor",
    "action",
    "object_type",
    "object_id",
    "object_label",
    "changes",
    "reason",
    "address",
    "request_id",
)


def extend() -> int:
    """Link every committed entry that is not linked yet; how many there were."""
    made = 0
    while some := _extend_by(BATCH):
        made += some
    return made


def check(known: str = "") -> tuple[AuditCheck, list[str]]:
    """Walk the whole chain; the result, and the first sentences on what is wrong.

    It is kept for pages to tell, but where a link to compare with was given: who mistypes one alarms nobody.
    """
    extend()
    found = faults(known)
    told = list(islice(found, MOST_TOLD))
    findings = len(told) + sum(1 for _ in found)
    end = last()
    entry = AuditEntry.objects.filter(pk=end.entry_id).first() if end else None
    result = AuditCheck(
        at=clock.now(),
        links=end.number if end else 0,
        through=entry.at if entry else None,
        findings=findings,
        first_finding=told[0][:300] if told else "",
    )
    if not known:
        result.save()
        AuditCheck.objects.filter(pk__lte=result.pk - CHECKS_KEPT).delete()
    return result, told


def check_when_due() -> AuditCheck | None:
    """Check once a day; the result, where it was time."""
    newest = last_check()
    if newest and clock.now() - newest.at < CHECK_EVERY:
        return None
    result, told = check()
    if told:
        logger.error("audit.chain_broken", extra={"findings": result.findings, "first": told[0]})
    return result


def last_check() -> AuditCheck | None:
    """What the last walk over the chain found."""
    return AuditCheck.objects.first()


def faults(known: str = "") -> Iterator[str]:
    """What is wrong, one sentence each. ``known`` is a link noted earlier, ``number:digest``."""
    before, kept = START, False
    for number, (seal, entry) in enumerate(_links(), start=1):
        if seal.number != number:
            yield f"Link {number} of the chain is missing; the next one is {seal.number}."
            return
        if entry is None:
            yield f"Entry {seal.entry_id} (link {number}) was deleted."
        elif _digest(before, entry) != bytes(seal.digest):
            yield f"Entry {seal.entry_id} (link {number}) is not what was linked: it, or a link before, was changed."
        before = bytes(seal.digest)
        kept = kept or str(seal) == known
    if known and not kept:
        yield f"The link {known.partition(':')[0]} noted earlier is not in the chain; its end was cut off or replaced."
    for entry in _unlinked():
        yield f"Entry {entry.pk} of {entry.at:%Y-%m-%d %H:%M} was never linked: it was added out of order."


def last() -> AuditSeal | None:
    """The end of the chain."""
    return AuditSeal.objects.order_by("-number").first()


def _extend_by(most: int) -> int:
    with atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        end = last()
        number, digest = (end.number, bytes(end.digest)) if end else (0, START)
        recent = _unlinked()
        if end:
            recent = recent.filter(at__gte=end.sealed_at - LONGEST_TRANSACTION)
        seals, now = [], clock.now()
        for place, entry in enumerate(recent[:most], start=number + 1):
            digest = _digest(digest, entry)
            seals.append(AuditSeal(number=place, entry_id=entry.pk, digest=digest, sealed_at=now))
        AuditSeal.objects.bulk_create(seals)
    return len(seals)


def _unlinked() -> QuerySet[AuditEntry]:
    linked = AuditSeal.objects.filter(entry_id=OuterRef("pk"))
    return AuditEntry.objects.filter(~Exists(linked)).order_by("pk")


def _links() -> Iterator[tuple[AuditSeal, AuditEntry | None]]:
    """Every link with its entry, some thousand at a time."""
    seals = AuditSeal.objects.order_by("number").iterator(chunk_size=BATCH)
    while batch := list(islice(seals, BATCH)):
        entries = AuditEntry.objects.in_bulk([seal.entry_id for seal in batch])
        yield from ((seal, entries.get(seal.entry_id)) for seal in batch)


def _digest(before: bytes, entry: AuditEntry) -> bytes:
    said = {name: getattr(entry, name) for name in SAID} | {"at": entry.at.astimezone(UTC).isoformat()}
    return hashlib.sha256(before + orjson.dumps(said, default=str, option=orjson.OPT_SORT_KEYS)).digest()
