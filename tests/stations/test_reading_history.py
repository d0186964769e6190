"""Readings condensed to minutes and quarters: late ones count, nothing twice, years are kept; partitions by time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from core import clock
from stations.models import ChargingStation, MeterReading, RawFrame, ReadingMinute, ReadingQuarter
from stations.services import partitions, reading_history
from tests.factories import make_actor, make_organization, make_station

QUARTER = timedelta(minutes=15)


@pytest.fixture
def station(db: None) -> ChargingStation:
    return make_station(make_actor(make_organization()))[0]


@pytest.fixture
def begin(station: ChargingStation) -> datetime:
    """The beginning of a quarter of an hour of today; what was received before is taken in already."""
    begin = (clock.now() - timedelta(hours=3)).replace(minute=15, second=0, microsecond=0)
    mark(begin - timedelta(seconds=1))
    return begin


def mark(at: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE stations_readinghistorymark SET received_until = %s", [at])


def read(station: ChargingStation, at: datetime, watts: Any, *, received: datetime | None = None) -> None:
    MeterReading.objects.create(
        station=station, evse_id=1, occurred_at=at, received_at=received or at, digest=hash(at),
        context="Sample.Periodic", power_w=watts, energy_wh=at.timestamp() // 1, soc_percent=50, samples=[],
    )  # fmt: skip


def test_readings_become_minutes_and_quarters(station: ChargingStation, begin: datetime) -> None:
    for seconds, watts in ((0, 1000), (20, 2000), (40, None), (60, 5000), (900, 7000)):
        read(station, begin + timedelta(seconds=seconds), watts)

    reading_history.condense(clock.now())

    minutes = list(ReadingMinute.objects.filter(station=station).order_by("at"))
    assert [(one.at - begin, one.readings, one.power_w, one.power_max_w) for one in minutes] == [
        (timedelta(0), 3, 1500, 2000),
        (timedelta(minutes=1), 1, 5000, 5000),
        (QUARTER, 1, 7000, 7000),
    ]
    assert minutes[0].energy_wh == Decimal((begin + timedelta(seconds=40)).timestamp())
    quarters = list(ReadingQuarter.objects.filter(station=station).order_by("at"))
    assert [(one.at, one.readings) for one in quarters] == [(begin, 4), (begin + QUARTER, 1)]
    assert quarters[0].power_w == Decimal("2666.7")


def test_a_reading_that_comes_hours_late_is_reckoned_into_its_own_time(
    station: ChargingStation, begin: datetime
) -> None:
    now = clock.now()
    read(station, begin, 1000)
    reading_history.condense(now - timedelta(minutes=30))
    read(station, begin + timedelta(seconds=30), 3000, received=now - timedelta(minutes=10))

    reading_history.condense(now)

    [minute] = ReadingMinute.objects.filter(station=station)
    assert (minute.at, minute.readings, minute.power_w) == (begin, 2, 2000)
    assert ReadingQuarter.objects.get(station=station).readings == 2


def test_running_again_changes_nothing_and_a_lost_mark_heals(
    station: ChargingStation, begin: datetime
) -> None:
    read(station, begin, 1000)
    now = clock.now()
    reading_history.condense(now)
    before = list(ReadingMinute.objects.filter(station=station).values())

    assert reading_history.condense(now) == 0
    mark(begin - timedelta(minutes=1))
    reading_history.condense(now)

    assert list(ReadingMinute.objects.filter(station=station).values()) == before


def test_what_may_not_be_committed_yet_is_left_to_the_next_run(
    station: ChargingStation, begin: datetime
) -> None:
    now = clock.now()
    read(station, now - timedelta(seconds=30), 1000)

    reading_history.condense(now)
    assert not ReadingMinute.objects.filter(station=station).exists()
    reading_history.condense(now + timedelta(minutes=5))

    assert ReadingMinute.objects.filter(station=station).count() == 1


def test_after_a_long_pause_all_is_caught_up(station: ChargingStation, begin: datetime) -> None:
    now = clock.now()
    days = [now - timedelta(days=day, hours=1) for day in (3, 2, 1)]
    for at in days:
        read(station, at, 1000)
    mark(days[0] - timedelta(hours=1))

    for _ in range(4):
        reading_history.condense(now)

    assert ReadingQuarter.objects.filter(station=station).count() == 3


def test_minutes_outlive_readings_and_quarters_outlive_minutes(station: ChargingStation) -> None:
    now = datetime(2031, 6, 15, tzinfo=UTC)
    year, four_years = now - timedelta(days=365), now - timedelta(days=4 * 365)
    for at in (year, four_years):
        read(station, at, 1000)
        ReadingMinute.objects.create(station=station, evse_id=1, at=at, readings=1, power_w=1000)
        ReadingQuarter.objects.create(station=station, evse_id=1, at=at, readings=1, power_w=1000)

    partitions.maintain(now)
    reading_history.maintain(now)

    assert MeterReading.objects.filter(station=station).count() == 1
    assert list(ReadingMinute.objects.filter(station=station).values_list("at", flat=True)) == [year]
    assert ReadingQuarter.objects.filter(station=station).count() == 2
    assert reading_history.maintain(now) == 0


def test_partitions_are_made_ahead_and_dropped_by_retention(station: ChargingStation) -> None:
    now = datetime(2031, 6, 15, 12, tzinfo=UTC)
    partitions.maintain(now)
    reading_history.maintain(now)
    read(station, now + timedelta(days=45), 1000)
    frame(station, now + timedelta(days=6))

    assert _partition_of("stations_meterreading", station) == "stations_meterreading_203107"
    assert _partition_of("stations_rawframe", station) == "stations_rawframe_20310621"
    assert {"stations_readingminute_203108", "stations_readingquarter_2032"} <= _tables()

    partitions.maintain(now + timedelta(days=6 + 31))
    assert not RawFrame.objects.filter(station=station).exists()
    assert "stations_rawframe_20310621" not in _tables()
    assert MeterReading.objects.filter(station=station).count() == 1
    partitions.maintain(now + timedelta(days=45 + 731 + 31))
    assert "stations_meterreading_203107" not in _tables()


def test_what_came_before_its_partition_moves_into_it(station: ChargingStation) -> None:
    later = datetime(2033, 3, 10, tzinfo=UTC)
    read(station, later, 1000)
    assert _partition_of("stations_meterreading", station) == "stations_meterreading_default"

    partitions.maintain(later)

    assert _partition_of("stations_meterreading", station) == "stations_meterreading_203303"


def frame(station: ChargingStation, at: datetime) -> None:
    RawFrame.objects.create(
        at=at, station=station, epoch=1, direction="in", message_id="x", action="Heartbeat", size_bytes=2,
        verdict="ok", text="[]",
    )  # fmt: skip


def _partition_of(table: str, station: ChargingStation) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {table} WHERE station_id = %s", [station.pk])
        return str(cursor.fetchone()[0])


def _tables() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r'")
        return {name for (name,) in cursor.fetchall()}
