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


def keep(
    station: ChargingStation,
    at: datetime,
    kind: int,
    number: str,
    *,
    direction: str = "out",
    epoch: int = 1,
    verdict: str = "ok",
) -> None:
    RawFrame.objects.create(
        at=at,
        station=station,
        epoch=epoch,
        direction=direction,
        type=kind,
        message_id=number,
        action="GetReport",
        size_bytes=2,
        verdict=verdict,
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


def test_an_error_is_not_shown_as_the_answer_to_a_call_of_an_earlier_socket(
    browser: Client, page: str, station: ChargingStation
) -> None:
    began = clock.now() - timedelta(minutes=1)
    keep(station, began, 2, "7", direction="in", verdict="refused:FormatViolation")
    keep(station, began + timedelta(seconds=9), 4, "7", direction="in", epoch=2)

    assert shown(browser, f"{page}?errors=1").count("<details>") == 2


def test_an_answer_belongs_to_the_call_of_the_other_side_where_both_use_one_id(
    browser: Client, page: str, station: ChargingStation
) -> None:
    began = clock.now() - timedelta(minutes=1)
    for second, (kind, direction) in enumerate([(2, "out"), (2, "in"), (3, "in"), (3, "out")]):
        keep(station, began + timedelta(seconds=second), kind, "7", direction=direction)

    exchanges = shown(browser, page).split("<details>")[1:]

    assert len(exchanges) == 2
    assert all("  2," in one and "  3," in one for one in exchanges)


def test_an_id_used_twice_is_answered_by_the_nearest_answer_after_the_call(
    browser: Client, page: str, station: ChargingStation
) -> None:
    began = clock.now() - timedelta(minutes=1)
    for second, (kind, direction) in enumerate([(2, "in"), (3, "out"), (2, "in"), (4, "out")]):
        keep(station, began + timedelta(seconds=second), kind, "7", direction=direction)

    newer, older = shown(browser, page).split("<details>")[1:]

    assert "  2," in newer
    assert "  4," in newer
    assert "  3," not in newer
    assert "  2," in older
    assert "  3," in older
    assert "  4," not in older
