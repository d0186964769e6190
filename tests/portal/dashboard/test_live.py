"""The stream tells each viewer only what is theirs, not too often, and ends with the rights."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from django.test import Client

from core.access import ROLE_PERMISSIONS, Actor, ActorKind, Permission, Role
from portal.dashboard.live import PER_STREAM, Pace, Viewer, _shape, _told

HERE, THERE, STATION = uuid4(), uuid4(), uuid4()


def actor(limited_to: frozenset[UUID] | None = None) -> Actor:
    return Actor(
        kind=ActorKind.USER,
        label="user:vera@example.org",
        organization_id=uuid4(),
        permissions=ROLE_PERMISSIONS[Role.VIEWER],
        limited_to=limited_to,
    )


def message(kind: str = "station", site: UUID | None = HERE, **more: object) -> dict[str, object]:
    return {"t": kind, "id": str(STATION), "site": str(site) if site else None, "v": 1, **more}


def test_a_viewer_limited_to_a_site_hears_nothing_of_another() -> None:
    viewer = Viewer(actor(frozenset({HERE})), frozenset({"station"}), frozenset())

    assert viewer.may_see(message())
    assert not viewer.may_see(message(site=THERE))


def test_a_message_without_site_is_judged_by_its_station() -> None:
    limited = Viewer(actor(frozenset({HERE})), frozenset({"num"}), frozenset({str(STATION)}))

    assert limited.may_see(message("num", None, station=str(STATION)))
    assert not limited.may_see(message("num", None, station=str(uuid4())))


def test_what_the_permission_does_not_cover_is_not_told() -> None:
    blind = replace(actor(), permissions=frozenset({Permission.STATIONS_VIEW}))

    assert not Viewer(blind, frozenset({"transaction"})).may_see(message("transaction"))
    assert not Viewer(blind, frozenset({"secret"})).may_see(message("secret"))


def test_of_answers_about_tokens_hears_only_who_may_see_drivers() -> None:
    support = replace(actor(), permissions=ROLE_PERMISSIONS[Role.SUPPORT])
    viewer = Viewer(actor(), frozenset({"authorization"}))

    assert Viewer(support, frozenset({"authorization"})).may_see(message("authorization"))
    assert not viewer.may_see(message("authorization"))


def test_a_tab_hears_of_what_it_asked_for_only() -> None:
    viewer = Viewer(actor(), frozenset({f"command:{STATION}"}))

    assert viewer.wants({"t": "command", "id": str(uuid4()), "station": str(STATION)})
    assert not viewer.wants({"t": "command", "id": str(uuid4()), "station": str(uuid4())})
    assert not viewer.wants(message())


def test_one_object_is_told_at_once_and_then_its_newest_once_a_second() -> None:
    viewer, pace = Viewer(actor(), frozenset({"station"})), Pace()
    first = _told(message(), viewer, pace, 100.0)
    soon = [_told({**message(), "v": version}, viewer, pace, 100.3) for version in (2, 3)]
    later = _told(None, viewer, pace, 101.1)

    assert [len(first), *map(len, soon)] == [1, 0, 0]
    assert [data["v"] for _, data in later] == [3]


def test_a_flood_becomes_one_resync() -> None:
    viewer, pace = Viewer(actor(), frozenset({"station"})), Pace()
    told = [
        name
        for _ in range(PER_STREAM * 2)
        for name, _data in _told({**message(), "id": str(uuid4())}, viewer, pace, 100.0)
    ]

    assert told.count("signal") == PER_STREAM
    assert told.count("resync") == 1


def test_figures_come_in_kilowatts_and_iso_time() -> None:
    name, data = _shape(
        {"t": "num", "id": "x", "w": "11040", "wh": "21734", "soc": "61", "at": "2026-11-24 04:31:44.149+00"}
    )

    assert name == "num"
    assert data["kw"] == "11.040"
    assert data["kwh"] == "21.734"
    assert data["at"] == "2026-11-24T04:31:44.149Z"


@pytest.mark.parametrize("query", ["", "?check=1"])
def test_without_sign_in_there_is_no_stream(home: str, query: str) -> None:
    assert Client().get(f"{home}live/{query}").status_code == 401


def test_a_stranger_gets_no_stream(charlie: Client, home: str) -> None:
    assert charlie.get(f"{home}live/?check=1").status_code == 401


def test_a_member_may_watch(browser: Client, home: str) -> None:
    assert browser.get(f"{home}live/?check=1").status_code == 204
