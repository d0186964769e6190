"""The page of a station's messages: exchanges as one, page after page without a gap."""

import re
from datetime import datetime, timedelta

import pytest
from django.test import Client

from core import clock
from stations.models import ChargingStation, RawFrame


@pytest.fixture
def page(home: str, station: ChargingStation) -> str:
    return f"{home}stations/{station.pk}/messages/"


def keep(station: ChargingStation, at: datetime, kind: int, number: str, *, direction: str = "out") -> None:
    RawFrame.objects.create(
        at=at,
        station=station,
        epoch=1,
        direction=direction,
        type=kind,
        message_id=number,
        action="GetReport",
        size_bytes=2,
        verdict="ok",
        text=f'[{kind},"{number}"]',
    )


def shown(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def numbers(text: str) -> list[str]:
    return re.findall(r"n-\d+", text)


def test_frames_of_one_moment_are_on_one_page_or_the_next(
    browser: Client, page: str, station: ChargingStation
) -> None:
    moment = clock.now()
    for number in range(70):
        keep(station, moment, 2, f"n-{number}")

    first = shown(browser, page)
    older = re.search(r'href="([^"]*before=[^"]*)"', first)
    assert older is not None
    second = shown(browser, page + older[1].replace("&amp;", "&"))

    assert set(numbers(first)) | set(numbers(second)) == {f"n-{number}" for number in range(70)}
    assert not set(numbers(first)) & set(numbers(second))


def test_an_objection_is_shown_with_the_exchange_that_it_is_about(
    browser: Client, page: str, station: ChargingStation
) -> None:
    began = clock.now() - timedelta(minutes=1)
    for second, (kind, direction) in enumerate([(2, "out"), (3, "in"), (5, "out")]):
        keep(station, began + timedelta(seconds=second), kind, "n-1", direction=direction)

    text = shown(browser, page)

    assert text.count("<details>") == 1
    places = [text.index(f"  {kind},") for kind in (2, 3, 5)]
    assert places == sorted(places)
    assert "<details>" in shown(browser, f"{page}?errors=1")


@pytest.mark.parametrize(
    "before", ["2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00~x", "x~1", "~", "é"]
)
def test_a_place_that_is_none_of_ours_is_told(browser: Client, page: str, before: str) -> None:
    assert browser.get(page, {"before": before}).status_code in (400, 404)


def test_a_stranger_finds_no_message(charlie: Client, page: str, station: ChargingStation) -> None:
    keep(station, clock.now(), 2, "n-1")

    answer = charlie.get(page)

    assert answer.status_code == 404
    assert "n-1" not in answer.content.decode()
