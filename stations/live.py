"""Announces ids of what changed to whoever watches (browsers, the API's stream); never the data itself.

Call after the commit. A lost announcement makes a page older until its next look, nothing else.
"""

from collections.abc import Callable
from uuid import UUID

from django.db.transaction import on_commit

from core import bus, clock

Topic = str


def topic_of(organization_id: UUID) -> Topic:
    """The bus topic that carries an organization's announcements."""
    return f"live.{organization_id}"


def message(
    kind: str, object_id: UUID, *, site_id: UUID | None = None, station_id: UUID | None = None
) -> bus.Message:
    """``kind`` is ``station``, ``command``, ``transaction``, ``alert``, ``authorization`` or ``connection``."""
    return {
        "t": kind,
        "id": str(object_id),
        "site": str(site_id) if site_id else None,
        "station": str(station_id) if station_id else None,
        "v": int(clock.now().timestamp() * 1000),
    }


def announce(
    kind: str,
    organization_id: UUID,
    object_id: UUID,
    *,
    site_id: UUID | None = None,
    station_id: UUID | None = None,
) -> None:
    """Tell now that the object changed."""
    bus.announce(topic_of(organization_id), message(kind, object_id, site_id=site_id, station_id=station_id))


def announce_on_commit(
    kind: str,
    organization_id: UUID,
    object_id: UUID,
    *,
    site_id: UUID | None = None,
    station_id: UUID | None = None,
) -> None:
    """Tell once the current database transaction has committed."""
    send: Callable[[], None] = lambda: announce(  # noqa: E731  a closure for on_commit
        kind, organization_id, object_id, site_id=site_id, station_id=station_id
    )
    on_commit(send)


def figures(
    evse_pk: UUID,
    *,
    station_id: UUID,
    site_id: UUID | None,
    power_w: object = None,
    energy_wh: object = None,
    soc_percent: object = None,
    at: str = "",
) -> bus.Message:
    """The figures of one EVSE, the only values that go straight into pages (dashboard section 6)."""
    return {
        "t": "num",
        "id": str(evse_pk),
        "station": str(station_id),
        "site": str(site_id) if site_id else None,
        "w": None if power_w is None else str(power_w),
        "wh": None if energy_wh is None else str(energy_wh),
        "soc": None if soc_percent is None else str(soc_percent),
        "at": at,
    }
