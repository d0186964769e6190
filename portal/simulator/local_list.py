"""The local authorization list of a station: what it knows of tokens without asking."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from portal.simulator.commands import ACCEPTED, status
from portal.simulator.configuration import READ_ONLY
from portal.simulator.journal import Json
from portal.simulator.transport import CommandRefused, Reply

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

CAPACITY = int(READ_ONLY["LocalAuthListMaxLength"])
PER_MESSAGE = int(READ_ONLY["SendLocalListMaxLength"])
NO_LIST_16 = -1


@dataclass(frozen=True, slots=True)
class Known:
    """What the list says of one token."""

    status: str
    expires_at: datetime | None = None
    group: str = ""


@dataclass(slots=True)
class LocalList:
    """Tokens compare without case. ``version`` is that of the last message taken."""

    version: int = 0
    entries: dict[str, Known] = field(default_factory=dict)

    @property
    def told_version(self) -> int:
        """0 for an empty list."""
        return self.version if self.entries else 0

    def verdict(self, token: str, at: datetime) -> str | None:
        """The status of a token; None where the list does not know it."""
        known = self.entries.get(token.upper())
        if known is None:
            return None
        over = known.status == ACCEPTED and known.expires_at is not None and known.expires_at <= at
        return "Expired" if over else known.status


def get_version_16(station: "SimulatedStation", payload: Json) -> Reply:
    kept = station.habits.keeps_local_list
    return Reply({"listVersion": station.local_list.told_version if kept else NO_LIST_16})


def get_version_2x(station: "SimulatedStation", payload: Json) -> Reply:
    if not station.habits.keeps_local_list:
        raise CommandRefused("NotSupported")
    return Reply({"versionNumber": station.local_list.told_version})


def send_16(station: "SimulatedStation", payload: Json) -> Reply:
    if not station.habits.keeps_local_list:
        return status("NotSupported")
    items = payload.get("localAuthorizationList", [])
    entries = [(item["idTag"], _known(item.get("idTagInfo"), "expiryDate", "parentIdTag")) for item in items]
    return _take(station, payload["listVersion"], entries, full=payload["updateType"] == "Full")


def send_2x(station: "SimulatedStation", payload: Json) -> Reply:
    if not station.habits.keeps_local_list:
        raise CommandRefused("NotSupported")
    items = payload.get("localAuthorizationList", [])
    entries = [
        (
            item["idToken"]["idToken"],
            _known(item.get("idTokenInfo"), "cacheExpiryDateTime", "groupIdToken"),
        )
        for item in items
    ]
    return _take(station, payload["versionNumber"], entries, full=payload["updateType"] == "Full")


def _take(
    station: "SimulatedStation", version: int, sent: Iterable[tuple[str, Known | None]], *, full: bool
) -> Reply:
    """All of a message or nothing of it; an entry without more removes its token."""
    entries = list(sent)
    if not full and version <= station.local_list.version:
        return status("VersionMismatch")
    kept = {} if full else dict(station.local_list.entries)
    for token, known in entries:
        if known is None:
            kept.pop(token.upper(), None)
        else:
            kept[token.upper()] = known
    if len(entries) > PER_MESSAGE or len(kept) > CAPACITY or (full and any(k is None for _, k in entries)):
        return status("Failed")
    station.local_list.entries, station.local_list.version = kept, version
    return status(ACCEPTED)


def _known(info: Mapping[str, object] | None, expiry: str, group: str) -> Known | None:
    if info is None:
        return None
    until, parent = info.get(expiry), info.get(group, "")
    return Known(
        str(info["status"]),
        datetime.fromisoformat(str(until)) if until else None,
        str(parent["idToken"]) if isinstance(parent, Mapping) else str(parent),
    )
