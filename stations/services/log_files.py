"""Upload targets for logs: one for each request, taken once, and what came there (security.md W-19, P234).

Who locks what: nobody holds a row while bytes arrive. An upload claims its target by one statement and ends by
another, which finds the claim gone where another process took over; a claim without an end is free again later.
"""

import hmac
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.db.transaction import atomic

from core import audit, clock, keys
from core.access import Actor, Permission
from core.errors import Conflict, DomainError, Invalid, NotFound
from stations import live
from stations.domain.intents import GetLog
from stations.models import ChargingStation, LogFile, Variable
from stations.services import files
from stations.services.numbers import next_request_id

FOLDER = "logs"
LASTS = timedelta(hours=24)
CLAIM_LASTS = timedelta(minutes=15)
TRIES_MOST = 10
PREVIEW_BYTES = 65_536
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
ACCOUNT = re.compile(r"log-[a-z0-9]{16}")
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
PATH_TRICKS = re.compile(r"[/\\\x00-\x1f\x7f]|\.\.|^\.")
ODD = re.compile(r"[^A-Za-z0-9 ._+()-]")
PROTOCOLS = ("SupportedFileTransferProtocols", "FileTransferProtocols")
NO_SUCH = "There is no such upload target, or its time is over."
USED = "A file was uploaded here already; each target takes one."


def prepare(station: ChargingStation, intent: GetLog, by: Actor) -> GetLog:
    """The request with its number and, where the operator named no address, a target of ours for this request.

    Raises :class:`Invalid` for FTP where that is not switched on.
    """
    numbered = replace(intent, request_id=next_request_id())
    if numbered.location:
        return numbered
    way = _way(station, intent.transfer)
    token = secrets.token_urlsafe(32)
    target = LogFile(
        organization_id=station.organization_id,
        station=station,
        request_id=numbered.request_id,
        kind=intent.kind,
        way=way,
        account=_account() if way == LogFile.Way.FTP else "",
        digest=keys.digest(token),
        created_at=clock.now(),
        expires_at=clock.now() + LASTS,
    )
    target.save(force_insert=True)
    return replace(numbered, location=_location(target, token))


def find(token: str, now: datetime) -> LogFile:
    """The target that still takes a file. Raises :class:`NotFound`, or :class:`Conflict` for a used one."""
    digest = keys.digest(token)
    found = LogFile.objects.filter(digest=digest).first() if TOKEN.fullmatch(token) else None
    if found is None or not hmac.compare_digest(bytes(found.digest), digest) or found.expires_at <= now:
        raise NotFound(NO_SUCH)
    if found.received_at is not None:
        raise Conflict(USED)
    if found.tries >= TRIES_MOST:
        raise Conflict("Too many uploads to this target failed. Ask the station for its log again.")
    return found


def by_account(account: str, token: str, now: datetime) -> LogFile:
    """The target of an FTP account that was made for it. Raises as :func:`find` does."""
    found = find(token, now)
    if not ACCOUNT.fullmatch(account) or not hmac.compare_digest(found.account, account):
        raise NotFound(NO_SUCH)
    return found


def receive(token: str, name: str, source: Any) -> LogFile:
    """Store what ``source.read(n)`` gives as the file of this target, which then takes no other.

    Raises as :func:`find` does, :class:`Invalid` for a bad name and an empty file, :class:`files.TooLarge`,
    :class:`core.errors.NoRoom`. After these the station may try again, a few times.
    """
    now = clock.now()
    target = find(token, now)
    shown = _shown_name(name, target)
    _claim(target, now)
    try:
        kept = files.keep(source, FOLDER, most_bytes=settings.LOG_FILE_MAX_BYTES)
    except (DomainError, OSError) as error:
        _release(target, now, error)
        raise
    if not _finish(target, now, kept, shown):
        files.delete(kept.name)
        raise Conflict(USED)
    target.refresh_from_db()
    return target


def reading(target: LogFile, *, by: Actor) -> LogFile:
    """Note that somebody reads the file, which may tell of drivers. Raises :class:`Conflict` where it is not here."""
    by.require(Permission.FIRMWARE_MANAGE, target)
    if target.received_at is None:
        raise Conflict("The station has not uploaded this log.")
    if target.removed_at is not None:
        raise Conflict("The file was deleted when its time was over.")
    if not files.is_unchanged(target.file, target.size_bytes or 0, target.sha256, clock.now()):
        raise Conflict("The stored file is no longer the one that the station sent.")
    audit.record("log.read", target, by=by, changes={"sha256": [None, target.sha256]})
    return target


def content(target: LogFile) -> Iterator[bytes]:
    """The bytes of a received file, a piece at a time."""
    return files.pieces(target.file, 0, target.size_bytes or 0)


def preview(target: LogFile) -> str | None:
    """The beginning of the file where that is text; ``None`` for anything else. Archives are not unpacked."""
    length = min(target.size_bytes or 0, PREVIEW_BYTES)
    begin = b"".join(files.pieces(target.file, 0, length))
    if b"\x00" in begin:
        return None
    text = begin.decode("utf-8", errors="replace")
    odd = sum(sign == "\ufffd" or not (sign.isprintable() or sign in "\r\n\t") for sign in text)
    return None if odd > len(text) // 20 + 2 else text


def forget(now: datetime) -> int:
    """Delete the bytes of old files, old targets that nothing came to, and files that no row names."""
    before = now - timedelta(days=settings.LOG_FILE_RETENTION_DAYS)
    old = list(LogFile.objects.filter(received_at__lt=before, removed_at=None)[:1000])
    for target in old:
        LogFile.objects.filter(pk=target.pk).update(removed_at=now)
        files.delete(target.file)
        _tell(target)
    unused = LogFile.objects.filter(received_at=None, expires_at__lt=before).delete()[0]
    here = LogFile.objects.filter(removed_at=None).exclude(file="")
    strays = files.forget_strays(
        FOLDER, lambda names: here.filter(file__in=names).values_list("file", flat=True), now
    )
    return len(old) + unused + strays


def _way(station: ChargingStation, wanted: str) -> LogFile.Way:
    if wanted == LogFile.Way.FTP and not settings.FTP_PORT:
        raise Invalid("Uploads by FTP are not switched on (FTP_PORT).", field="transfer")
    if wanted:
        return LogFile.Way(wanted)
    if not settings.FTP_PORT:
        return LogFile.Way.HTTP
    told = Variable.objects.filter(station=station, variable__in=PROTOCOLS, attribute="Actual")
    known = " ".join(value or "" for value in told.values_list("value", flat=True)).upper()
    return LogFile.Way.FTP if "FTP" in known and "HTTP" not in known else LogFile.Way.HTTP


def _account() -> str:
    return "log-" + "".join(secrets.choice(ALPHABET) for _ in range(16))


def _location(target: LogFile, token: str) -> str:
    if target.way == LogFile.Way.HTTP:
        return f"{settings.FILES_URL}/files/logs/{token}"
    scheme = "ftps" if settings.FTP_CERTIFICATE else "ftp"
    return f"{scheme}://{target.account}:{token}@{settings.FTP_HOST}:{settings.FTP_PORT}/"


def _shown_name(name: str, target: LogFile) -> str:
    """What people see: never a path, never more than one line. Raises :class:`Invalid` for what looks like one."""
    if not name:
        return f"{target.kind}-{target.request_id}.log"
    if len(name) > 255 or PATH_TRICKS.search(name):
        raise Invalid("This is no name of a file.", field="name")
    return files.checked_name(ODD.sub("_", name).lstrip(" _+()-.") or "log")


def _claim(target: LogFile, now: datetime) -> None:
    free = Q(claimed_at=None) | Q(claimed_at__lt=now - CLAIM_LASTS)
    rows = LogFile.objects.filter(free, pk=target.pk, received_at=None, tries__lt=TRIES_MOST)
    if not rows.update(claimed_at=now, tries=F("tries") + 1):
        raise Conflict("Another upload to this target is going on.")
    _tell(target)


def _release(target: LogFile, claimed_at: datetime, error: Exception) -> None:
    why = error.message if isinstance(error, DomainError) else "The upload broke off."
    LogFile.objects.filter(pk=target.pk, claimed_at=claimed_at).update(claimed_at=None, detail=why[:500])
    _tell(target)


def _finish(target: LogFile, claimed_at: datetime, kept: files.Kept, name: str) -> bool:
    with atomic():
        rows = LogFile.objects.filter(pk=target.pk, received_at=None, claimed_at=claimed_at)
        done = rows.update(
            received_at=clock.now(),
            file=kept.name,
            name=name,
            size_bytes=kept.size_bytes,
            sha256=kept.sha256,
            detail="",
        )
        if done:
            _tell(target)
    return bool(done)


def _tell(target: LogFile) -> None:
    live.announce_on_commit(
        "station",
        target.organization_id,
        target.station_id,
        site_id=target.station.site_id,
        station_id=target.station_id,
    )
