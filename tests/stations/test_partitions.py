"""Old partitions go while others read them, without holding up who writes."""

import threading
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from core import clock
from stations.models import RawFrame
from stations.services import partitions
from tests import factories

LONG_AGO = timedelta(days=200)


def names(day: Any) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname = %s", [f"stations_rawframe_{day:%Y%m%d}"])
        return [name for (name,) in cursor.fetchall()]


@pytest.fixture
def old(committed: None) -> Any:
    day = clock.now() - LONG_AGO
    partitions.maintain(day)
    assert names(day)
    yield day
    partitions.maintain(clock.now())


def reader() -> "psycopg.Connection[Any]":
    parameters = connection.get_connection_params()
    plain = {
        name: parameters[name]
        for name in ("dbname", "user", "password", "host", "port")
        if parameters.get(name)
    }
    return psycopg.connect(**plain)


def test_m17_a_reader_of_an_old_partition_delays_writers_a_second_at_most_and_loses_nothing(
    old: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "PAUSES_S", (0.1,))
    station, _ = factories.make_station(factories.make_actor(factories.make_organization()))
    waited: list[float] = []

    def write() -> None:
        time.sleep(0.3)  # by then the drop queues for the table
        begin = time.monotonic()
        RawFrame.objects.create(
            at=clock.now(), station=station, epoch=1, direction="in", message_id="x", action="Heartbeat",
            size_bytes=2, verdict="ok", text="[]",
        )  # fmt: skip
        waited.append(time.monotonic() - begin)
        connection.close()

    with reader() as other:
        other.execute(f"SELECT count(*) FROM stations_rawframe_{old:%Y%m%d}")
        writing = threading.Thread(target=write)
        writing.start()
        assert partitions.maintain(clock.now())[1] == 0
        writing.join(10)
        assert names(old), "who reads goes on reading"
        assert RawFrame.objects.filter(station=station).count() == 1
    assert waited
    assert partitions.maintain(clock.now())[1] > 0
    assert not names(old)
