"""Threads with database connections: how long they keep them, what they answer, when they end."""

import asyncio
import threading
from collections.abc import Callable
from queue import Full
from typing import Any

import pytest
from django.db import connection, connections

from stations.ocpp.threads import DatabaseThreads
from tests.waiting import eventually


def _ask() -> Any:
    """The connection of the thread, after it was used."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return connections["default"]


def _raise() -> None:
    raise LookupError("nothing there")


@pytest.fixture
def made(committed: None) -> Any:
    pools: list[DatabaseThreads] = []

    def make(**manners: Any) -> DatabaseThreads:
        pools.append(DatabaseThreads("tested", 1, deadline_s=5, **manners))
        return pools[-1]

    yield make
    for threads in pools:
        threads.close()


def test_a_thread_gives_its_connection_back_as_soon_as_nothing_waits(
    made: Callable[..., DatabaseThreads],
) -> None:
    threads = made()

    used = asyncio.run(threads.run(_ask))

    assert used.connection is None


def test_a_thread_that_may_keep_its_connection_gives_it_back_when_it_has_rested(
    made: Callable[..., DatabaseThreads],
) -> None:
    threads = made(keep_s=0.5)

    async def twice() -> list[int]:
        return [id((await threads.run(_ask)).connection) for _ in range(2)]

    first, second = asyncio.run(twice())
    used = asyncio.run(threads.run(_ask))

    assert first == second
    eventually(lambda: used.connection is None)
    assert asyncio.run(threads.run(_ask)) is used


def test_what_a_call_raises_reaches_whoever_waits_and_the_thread_goes_on(
    made: Callable[..., DatabaseThreads],
) -> None:
    threads = made()

    with pytest.raises(LookupError, match="nothing there"):
        asyncio.run(threads.run(_raise))

    assert asyncio.run(threads.run(lambda: "still here")) == "still here"
    assert threads.waiting == 0


def test_closed_threads_take_no_more_calls(made: Callable[..., DatabaseThreads]) -> None:
    threads = made()
    threads.close()

    with pytest.raises(RuntimeError):
        asyncio.run(threads.run(lambda: None))


def test_one_more_call_than_may_wait_fails_at_once_and_the_others_are_carried_out(
    made: Callable[..., DatabaseThreads],
) -> None:
    threads = made(waiting_max=1)
    done: list[str] = []

    async def crowd() -> Any:
        free = threading.Event()
        busy = asyncio.create_task(threads.run(free.wait, 5))
        await asyncio.to_thread(eventually, lambda: not threads.waiting)
        second = asyncio.create_task(threads.run(done.append, "second"))
        await asyncio.sleep(0)
        third = asyncio.create_task(threads.run(done.append, "third"))
        await asyncio.wait([third], timeout=5)
        free.set()
        await asyncio.gather(busy, second)
        return third.exception()

    error = asyncio.run(crowd())

    assert isinstance(error, Full)
    assert done == ["second"]
    assert threads.waiting == 0
