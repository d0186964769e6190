"""Plots show what was measured: gaps stay gaps, unknown is not zero."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.test import Client

from core import clock
from portal.dashboard.plots import columns
from stations.models import ChargingStation, MeterReading, ReadingMinute, ReadingQuarter
from tests.factories import sessions

START = datetime(2026, 11, 24, 8, tzinfo=UTC)


def reading(seconds: int, watts: int | None = 11_000):
    return (START + timedelta(seconds=seconds), None if watts is None else Decimal(watts), None, None)


def test_a_pause_of_readings_is_drawn_as_a_gap() -> None:
    drawn = columns([reading(0), reading(15), reading(30), reading(1800), reading(1815)])

    assert drawn["power"] == [11.0, 11.0, 11.0, None, 11.0, 11.0]
    assert drawn["t"][3] == START.timestamp() + 31


def test_unknown_is_not_zero() -> None:
    assert columns([reading(0, None), reading(15, 0)])["power"] == [None, 0.0]


def test_nothing_measured_is_no_point() -> None:
    assert columns([]) == {"t": [], "power": [], "limit": [], "soc": []}


def test_the_plot_of_an_evse_holds_its_readings(browser: Client, home: str, station: ChargingStation) -> None:
    for seconds in (30, 15):
        MeterReading.objects.create(
            station=station,
            evse_id=1,
            occurred_at=clock.now() - timedelta(seconds=seconds),
            received_at=clock.now(),
            digest=seconds,
            context="Sample.Periodic",
            power_w=Decimal(7400),
            samples=[],
        )
    answer = browser.get(f"{home}stations/{station.pk}/evses/1/plot/?range=1h").json()

    assert answer["power"] == [7.4, 7.4]
    assert browser.get(f"{home}stations/{station.pk}/evses/2/plot/").json()["t"] == []
    assert browser.get(f"{home}stations/{station.pk}/evses/9/plot/").status_code == 404


def test_a_long_span_is_drawn_from_the_history_and_goes_on_with_the_newest_readings(
    browser: Client, home: str, station: ChargingStation
) -> None:
    now = clock.now()
    for days, watts in ((300, 3000), (20, 7400), (5, 9000)):
        at = now - timedelta(days=days)
        ReadingQuarter.objects.create(station=station, evse_id=1, at=at, readings=9, power_w=watts)
    ReadingMinute.objects.create(
        station=station, evse_id=1, at=now - timedelta(days=5), readings=2, power_w=9100
    )
    MeterReading.objects.create(
        station=station, evse_id=1, occurred_at=now - timedelta(seconds=20), received_at=now, digest=1,
        context="Sample.Periodic", power_w=Decimal(11_000), samples=[],
    )  # fmt: skip

    def drawn(span: str) -> list[float]:
        answer = browser.get(f"{home}stations/{station.pk}/evses/1/plot/?range={span}").json()
        return [value for value in answer["power"] if value is not None]

    assert drawn("1y") == [3.0, 7.4, 9.0, 11.0]
    assert drawn("30d") == [7.4, 9.0, 11.0]
    assert drawn("7d") == [9.1, 11.0]
    assert drawn("24h") == [11.0]


def test_an_old_session_whose_readings_are_dropped_is_drawn_by_minutes(
    browser: Client, home: str, station: ChargingStation
) -> None:
    session = sessions.begin(station)
    MeterReading.objects.filter(transaction=session).delete()
    for minutes in (1, 2):
        ReadingMinute.objects.create(
            station=session.station,
            evse_id=session.evse.evse_id,
            at=session.started_at + timedelta(minutes=minutes),
            readings=4,
            power_w=5000 * minutes,
        )
    ReadingMinute.objects.create(
        station=session.station,
        evse_id=session.evse.evse_id,
        at=session.started_at - timedelta(minutes=5),
        readings=4,
        power_w=1,
    )

    assert browser.get(f"{home}sessions/{session.pk}/plot/").json()["power"] == [5.0, 10.0]
