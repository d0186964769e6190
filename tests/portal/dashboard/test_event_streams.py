"""A page of an event stream: how often it is sent and how full is adjusted while it is open."""

import pytest
from django.test import Client

from core import clock
from stations.domain.words import Capability
from stations.models import ChargingStation, Command, EventStream, Presence
from stations.services import learning


@pytest.fixture
def stream(station: ChargingStation) -> EventStream:
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.1", epoch=1)
    return EventStream.objects.create(
        station=station, number=7, monitor_number=3, interval_s=60, opened_at=clock.now()
    )


@pytest.fixture
def tab(home: str, station: ChargingStation) -> str:
    return f"{home}stations/{station.pk}/monitoring/"


def form(number: str = "7", interval_s: str = "", values: str = "") -> dict[str, str]:
    command = "adjust_periodic_event_stream"
    return {"command": command, "stream": number, "interval_s": interval_s, "values": values}


def test_interval_and_values_of_an_open_stream_are_adjusted(
    browser: Client, tab: str, station: ChargingStation, stream: EventStream
) -> None:
    text = browser.get(f"{tab}streams/{stream.pk}/").content.decode()
    statuses = [
        browser.post(f"{tab}send/", one).status_code for one in (form("7", "30", "5"), form("7", "0"))
    ]

    assert 'name="stream" value="7"' in text
    assert 'name="interval_s" inputmode="numeric" value="60"' in text
    assert statuses == [302, 302]
    found = Command.objects.filter(station=station).order_by("id").values_list("command", "parameters")
    assert list(found) == [
        ("adjust_periodic_event_stream", {"stream": 7, "interval_s": 30, "values": 5}),
        ("adjust_periodic_event_stream", {"stream": 7, "interval_s": 0}),
    ]


@pytest.mark.parametrize(
    "values", [form(), form("", "30"), form("x", "30"), form("7", "-1"), form("7", "30", "many")]
)
def test_what_is_no_rhythm_is_refused(
    browser: Client, tab: str, station: ChargingStation, stream: EventStream, values: dict[str, str]
) -> None:
    assert browser.post(f"{tab}send/", values).status_code == 422
    assert not Command.objects.filter(station=station).exists()


def test_viewers_and_strangers_adjust_nothing(
    viewer: Client, charlie: Client, tab: str, station: ChargingStation, stream: EventStream
) -> None:
    assert viewer.post(f"{tab}send/", form("7", "30")).status_code == 403
    assert charlie.post(f"{tab}send/", form("7", "30")).status_code == 404
    assert "adjust_periodic" not in viewer.get(f"{tab}streams/{stream.pk}/").content.decode()
    assert not Command.objects.filter(station=station).exists()


def test_a_closed_stream_and_a_station_without_streams_have_nothing_to_adjust(
    browser: Client, tab: str, station: ChargingStation, stream: EventStream
) -> None:
    page = f"{tab}streams/{stream.pk}/"
    learned = learning.by_version({}, "2.0.1", [Capability.EVENT_STREAMS], clock.now())
    ChargingStation.objects.filter(pk=station.pk).update(capabilities=learned)
    without = browser.get(page).content.decode()
    ChargingStation.objects.filter(pk=station.pk).update(capabilities={})
    EventStream.objects.update(closed_at=clock.now())

    assert "adjust_periodic" not in without
    assert "adjust_periodic" not in browser.get(page).content.decode()
