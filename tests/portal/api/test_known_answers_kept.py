"""What the short way of a station's detail may not do."""

import asyncio
import threading
import time
from typing import Any

import pytest

from core import statements
from core.access import Actor
from core.models import Organization
from portal.api import freshness
from portal.api.freshness import Question, Version, Versions
from stations.models import ChargingStation
from stations.services import tariff_assignments
from tariffs import publishing
from tests.portal.api.test_known_answers import (
    TARIFF,
    Portal,
    address,
    alice,
    bearer,
    organization,
    portal,
    secret,
    station,
)

__all__ = ["alice", "organization", "portal", "secret", "station"]


def test_a_row_that_came_and_went_again_is_not_told_for_ever(
    portal: Portal, station: ChargingStation, alice: Actor, secret: str, organization: Organization
) -> None:
    """The tariff is assigned after the versions were read and before the long way reads; then it ends."""
    version = publishing.publish(publishing.create(TARIFF, by=alice), by=alice)
    made: list[Any] = []
    long_way = portal.django

    async def between(*asked: Any) -> None:
        if portal.long == 2:
            loop = asyncio.get_running_loop()
            made.append(
                await loop.run_in_executor(
                    None, lambda: tariff_assignments.assign(version.tariff, place=station, by=alice)
                )
            )
        await long_way(*asked)

    portal.django = between
    portal.ask(address(station), **bearer(secret))
    with_tariff = portal.ask(address(station), **bearer(secret))
    portal.django = long_way
    assert str(version.tariff_id).encode() in with_tariff.body
    tariff_assignments.end(made[0], by=alice)
    after = portal.ask(address(station), **bearer(secret))

    assert after.body == portal.ask(address(station), long_way, **bearer(secret)).body


def test_what_waits_for_a_database_that_hangs_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gave up waiting is forgotten; the queue has a bound."""
    let_go = threading.Event()
    monkeypatch.setattr(freshness, "DEADLINE_S", 0.1)

    def hangs(questions: Any) -> list[None]:
        let_go.wait(10)
        return [None] * len(questions)

    monkeypatch.setattr(freshness, "read", hangs)

    async def many() -> int:
        versions = Versions()
        try:
            for _ in range(5):
                await asyncio.gather(*(versions.of(Question("", "", "")) for _ in range(200)))
            return len(versions._waiting)
        finally:
            let_go.set()
            versions._threads.close()

    assert asyncio.run(many()) <= freshness.MOST_AT_ONCE


def test_a_line_to_the_database_that_is_dead_is_cut_after_the_deadline(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`DatabaseThreads.cut_stuck` is there for that; the door's pools call it."""
    monkeypatch.setattr(freshness, "DEADLINE_S", 0.2)
    asked: list[float] = []

    def reads(questions: Any) -> list[Version]:
        asked.append(time.monotonic())
        if len(asked) == 1:
            statements.execute("SELECT pg_sleep(6)", [])
        return [Version("a", "b")] * len(questions)

    monkeypatch.setattr(freshness, "read", reads)

    async def until_it_answers() -> float:
        versions, began = Versions(), time.monotonic()
        try:
            while await versions.of(Question("", "", "")) is None:
                pass
            return time.monotonic() - began
        finally:
            versions._threads.close()

    assert asyncio.run(until_it_answers()) < 3
