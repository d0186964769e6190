"""Passwords of stations: made, checked and changed; stored only as keyed hashes (security.md section 4).

A hash is HMAC-SHA-256 over salt, station id and password under a key outside the database. What is
random with 128 bits or more needs no slow hash; a check costs about 3 microseconds (K-01).
"""

import hmac
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from django.db.transaction import atomic

from core import clock, keys
from core.errors import Invalid
from stations.models import ChargingStation, StationCredential

PURPOSE = "station-password"
MADE_BYTES = 20
TYPED_LENGTH = range(16, 41)
BROUGHT_LENGTH = range(1, 65)
BOTH_VALID_FOR = timedelta(hours=24)
KEEP_SUPERSEDED = timedelta(days=30)
HEXADECIMAL = re.compile(rb"(?:[0-9a-fA-F]{2}){16,20}")

State = StationCredential.State


class Form(Enum):
    """How a version sends a password of 40 hexadecimal digits: as text, as the bytes they stand for, or both."""

    TEXT = "text"
    BYTES = "bytes"
    EITHER = "either"


class StoredPassword(NamedTuple):
    """One row of the station's passwords, as the door reads it."""

    id: UUID
    state: str
    key_id: str
    salt: bytes
    digest_text: bytes
    digest_bytes: bytes | None
    length: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: the row that opened the door, or how near the try was."""

    row: StoredPassword | None
    length_right: bool = False
    other_form: bool = False


def make_password() -> str:
    """40 random hexadecimal digits: their 20 bytes serve 1.6, they themselves 2.x."""
    return secrets.token_hex(MADE_BYTES)


def set_password(station: ChargingStation, password: str | None = None, *, typed: bool = False) -> str:
    """Replace all passwords of the station by this one, or by a made one; the answer is shown once.

    Raises :class:`Invalid` for one that is not of 16 to 40 characters (K-03).
    """
    if password is not None and len(password) not in TYPED_LENGTH:
        raise Invalid("A password has 16 to 40 characters.", field="password")
    secret = password or make_password()
    with atomic():
        station.credentials.all().delete()
        _new(station.pk, secret.encode(), typed=typed).save(force_insert=True)
    return secret


def keep_brought(station: ChargingStation, presented: bytes) -> None:
    """Take the password with which an unknown station came as its own (P106)."""
    with atomic():
        station.credentials.all().delete()
        _new(station.pk, presented, typed=True).save(force_insert=True)


def begin_change(station: ChargingStation, password: str) -> StationCredential:
    """A new password is on its way to the station: from now on the old and the new one open the door (P018)."""
    with atomic():
        station.credentials.filter(state=State.NEXT).delete()
        fresh = _new(station.pk, password.encode(), state=State.NEXT)
        fresh.save(force_insert=True)
    return fresh


def expect_change(station_id: UUID, password: str) -> None:
    """It leaves now; until the answer both open the door, and for 24 hours where none comes (P018)."""
    station = ChargingStation.objects.get(pk=station_id)
    begin_change(station, password)
    end_change(station, accepted=None)


def end_change(station: ChargingStation, *, accepted: bool | None) -> None:
    """The station answered. ``None``: it did not; both passwords stay valid for 24 hours at most (P018)."""
    fresh = station.credentials.filter(state=State.NEXT).first()
    if fresh is None:
        return
    if accepted is None:
        fresh.valid_until = clock.now() + BOTH_VALID_FOR
        fresh.save(update_fields=["valid_until"])
    elif accepted:
        promote(fresh.pk)
    else:
        fresh.delete()


def promote(credential_id: UUID) -> None:
    """The new password was used or confirmed: the old one is refused from now on."""
    with atomic():
        fresh = StationCredential.objects.select_for_update().get(pk=credential_id)
        if fresh.state != State.NEXT:
            return
        others = StationCredential.objects.filter(station_id=fresh.station_id).exclude(pk=fresh.pk)
        others.filter(state=State.SUPERSEDED).delete()
        others.filter(state=State.CURRENT).update(state=State.SUPERSEDED, valid_until=clock.now())
        fresh.state, fresh.valid_until = State.CURRENT, None
        fresh.save(update_fields=["state", "valid_until"])


def expire(now: datetime) -> int:
    """Forget new passwords whose outcome stayed unknown for too long (P018), and old superseded ones."""
    unknown = StationCredential.objects.filter(state=State.NEXT, valid_until__lt=now)
    superseded = StationCredential.objects.filter(
        state=State.SUPERSEDED, valid_until__lt=now - KEEP_SUPERSEDED
    )
    return unknown.delete()[0] + superseded.delete()[0]


def check(station_id: UUID, rows: Sequence[StoredPassword], presented: bytes, form: Form) -> Checked:
    """Compare with every valid row, all in constant time; never stops early (P021, K-02)."""
    opened: StoredPassword | None = None
    other_form = False
    for row in rows or (_DUMMY,):
        digest = _digest(row.key_id, bytes(row.salt), station_id, presented)
        text = hmac.compare_digest(digest, row.digest_text)
        raw = hmac.compare_digest(digest, row.digest_bytes or _DUMMY.digest_text)
        if _opens(row, text=text, raw=raw, form=form):
            opened = row
        other_form = other_form or text or raw
    return Checked(opened, _length_right(rows, len(presented), form), other_form and opened is None)


def renew(station_id: UUID, row: StoredPassword, presented: bytes) -> bool:
    """Store the password anew under the newest key (K-05); ``False`` where its text cannot be told."""
    text = _text_of(station_id, row, presented)
    if text is None:
        return False
    fresh = _new(station_id, text)
    names = ("key_id", "salt", "digest_text", "digest_bytes")
    values = {name: getattr(fresh, name) for name in names}
    return bool(StationCredential.objects.filter(pk=row.id, key_id=row.key_id).update(**values))


def _opens(row: StoredPassword, *, text: bool, raw: bool, form: Form) -> bool:
    if row.digest_bytes is None or form is Form.TEXT:
        return text
    return raw if form is Form.BYTES else text or raw


def _length_right(rows: Sequence[StoredPassword], presented: int, form: Form) -> bool:
    return any(
        presented == row.length
        if row.digest_bytes is None or form is Form.TEXT
        else presented == row.length // 2 or (form is Form.EITHER and presented == row.length)
        for row in rows
    )


def _text_of(station_id: UUID, row: StoredPassword, presented: bytes) -> bytes | None:
    digits = presented.hex().encode()
    for text in (presented, digits, digits.upper()):
        if hmac.compare_digest(_digest(row.key_id, bytes(row.salt), station_id, text), row.digest_text):
            return text
    return None


def _new(
    station_id: UUID, password: bytes, *, typed: bool = False, state: str = State.CURRENT
) -> StationCredential:
    salt, key_id = os.urandom(16), keys.newest_id()
    raw = bytes.fromhex(password.decode()) if HEXADECIMAL.fullmatch(password) else None
    return StationCredential(
        station_id=station_id,
        state=state,
        key_id=key_id,
        salt=salt,
        digest_text=_digest(key_id, salt, station_id, password),
        digest_bytes=None if raw is None else _digest(key_id, salt, station_id, raw),
        length=len(password),
        typed=typed,
    )


def _digest(key_id: str, salt: bytes, station_id: UUID, password: bytes) -> bytes:
    known = key_id if keys.knows(key_id) else keys.newest_id()
    return keys.keyed_hash(known, PURPOSE, salt, station_id.bytes, password)


NOBODY = UUID(int=0)
_DUMMY = StoredPassword(NOBODY, State.CURRENT.value, "", bytes(16), os.urandom(32), None, 0)
