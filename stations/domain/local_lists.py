"""Local authorization lists: what a station knows of tokens without asking us (2.0.1 block D, 1.6 section 3.5)."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

NOT_SUPPORTED_16 = -1
"""The version that a 1.6 station tells which keeps no list."""

EMPTY = 0
"""The version of an empty list."""

Key = tuple[str, str]


class ListState(StrEnum):
    """How the list at a station stands to what it should hold.

    ``drifted``: the station tells another version than the one it took from us. ``unconfirmed``: a message
    with changes was not answered. ``refused``: it refused the list as a whole.
    """

    UNKNOWN = "unknown"
    CURRENT = "current"
    OUTDATED = "outdated"
    DRIFTED = "drifted"
    UNCONFIRMED = "unconfirmed"
    REFUSED = "refused"
    NOT_SUPPORTED = "not_supported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One token as a station knows it. ``status`` is the verdict's word; ``type`` is empty where lists have none."""

    value: str
    type: str
    status: str
    group_value: str = ""
    expires_at: datetime | None = None

    @property
    def key(self) -> Key:
        """Values compare without case."""
        return self.value.upper(), self.type


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a list can hold, as the station's version and its own limits have it.

    ``longest``: characters of a value. ``types``: of tokens, none named: any. ``typed``: whether entries
    name their type. ``capacity``: entries in all, ``None`` where the station did not tell.
    """

    longest: int = 255
    types: tuple[str, ...] = ()
    typed: bool = True
    capacity: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "types": list(self.types)}

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> "Shape":
        return cls(**{**stored, "types": tuple(stored.get("types", ()))})

    def told(self, entry: Entry) -> Entry:
        """The entry as the list has it: without what it cannot hold, times as exact as the wire is."""
        expires_at = entry.expires_at
        if expires_at is not None:
            expires_at = expires_at.replace(microsecond=expires_at.microsecond // 1000 * 1000)
        return replace(
            entry,
            type=entry.type if self.typed else "",
            group_value=entry.group_value if len(entry.group_value) <= self.longest else "",
            expires_at=expires_at,
        )

    def takes(self, entry: Entry) -> bool:
        return len(entry.value) <= self.longest and (not self.types or entry.type in self.types)


Content = Mapping[Key, Entry]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a list should hold, and how many tokens found no place in it."""

    content: Content
    left_out: int = 0


def fit(entries: Iterable[Entry], shape: Shape) -> Fitted:
    """The entries that the list can hold; the first ones where it is too short, the first of equal keys."""
    content: dict[Key, Entry] = {}
    left_out = 0
    for entry in entries:
        kept = shape.told(entry)
        if not shape.takes(entry):
            left_out += 1
        elif kept.key not in content:
            if shape.capacity is not None and len(content) >= shape.capacity:
                left_out += 1
            else:
                content[kept.key] = kept
    return Fitted(content, left_out)


@dataclass(frozen=True, slots=True)
class Changes:
    """What turns one content into another."""

    placed: Sequence[Entry]
    removed: Sequence[Entry]


def changes(held: Content, wanted: Content) -> Changes:
    """Removed ones come first on the wire, so that a full list has room for the new ones."""
    placed = [entry for key, entry in wanted.items() if held.get(key) != entry]
    return Changes(placed, [entry for key, entry in held.items() if key not in wanted])


def digest(content: Content) -> str:
    """Equal for equal contents, whatever their order."""
    summary = hashlib.blake2b(digest_size=16)
    for key in sorted(content):
        entry = content[key]
        expiry = entry.expires_at.timestamp() if entry.expires_at else ""
        summary.update(
            f"{entry.value}\x00{entry.type}\x00{entry.status}\x00{entry.group_value}\x00{expiry}\x01".encode()
        )
    return summary.hexdigest()


def agrees(reported: int | None, version: int, entries: int) -> bool:
    """Whether the told version is the one that the station took; an empty list has version 0 (D02, 1.6 5.10)."""
    return reported == version or (reported == EMPTY and not entries)
