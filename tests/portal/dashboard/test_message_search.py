"""Finding messages: by text, id, session and time; a link to one, and the export of a search."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from core import clock
from core.access import Role
from core.models import AuditEntry, Organization
from stations.models import ChargingStation, RawFrame, Transaction, TransactionEvent
from tests import factories

NOW = clock.now().replace(microsecond=0)


@pytest.fixture
def page(home: str, station: ChargingStation) -> str:
    return f"{home}stations/{station.pk}/messages/"


def keep(station: ChargingStation, number: str, text: str, at: datetime = NOW, **values: Any) -> RawFrame:
    given = {"direction": "in", "type": 2, "action": "DataTransfer", "verdict": "ok", **values}
    return RawFrame.objects.create(
        station=station, epoch=1, at=at, message_id=number, size_bytes=len(text), text=text, **given
    )


def session(station: ChargingStation, reference: str, **values: Any) -> Transaction:
    row = Transaction.objects.create(
        organization_id=station.organization_id,
        station=station,
        site=station.site,
        reference=reference,
        started_at=NOW - timedelta(hours=1),
        last_event_at=NOW,
        **values,
    )
    TransactionEvent.objects.create(
        transaction=row, seq_no=0, kind="Started", occurred_at=NOW, received_at=NOW, digest=b"x" * 16
    )
    return row


def shown(browser: Client, page: str, **query: str) -> str:
    answer = browser.get(page, query)
    assert answer.status_code == 200
    return answer.content.decode().partition('id="results"')[2]


def test_a_text_finds_the_whole_exchange_in_which_it_was_said(
    browser: Client, page: str, station: ChargingStation
) -> None:
    keep(station, "n-1", '[2,"n-1","DataTransfer",{"data":"Zaphod"}]')
    keep(
        station, "n-1", '[3,"n-1",{"status":"Accepted"}]', NOW + timedelta(seconds=1), type=3, direction="out"
    )
    keep(station, "n-2", '[2,"n-2","DataTransfer",{"data":"Trillian"}]')
    RawFrame.objects.create(
        station=station, epoch=2, at=NOW, direction="in", type=2, message_id="n-1", action="Heartbeat",
        size_bytes=2, verdict="ok", text='[2,"n-1","Heartbeat",{"of":"another socket"}]',
    )  # fmt: skip

    text = shown(browser, page, text="zaphod")

    assert "Zaphod" in text
    assert "Accepted" in text
    assert "Trillian" not in text
    assert "another socket" not in text


def test_a_text_is_searched_in_the_last_day_unless_a_time_is_named_and_the_page_says_so(
    browser: Client, page: str, station: ChargingStation
) -> None:
    before = clock.now() - timedelta(days=2)
    keep(station, "old", '[2,"old","DataTransfer",{"data":"Zaphod"}]', before)
    hint = "Texts of the last day were searched."

    unnamed = shown(browser, page, text="Zaphod")
    named = shown(
        browser, page, **{"text": "Zaphod", "from": f"{before - timedelta(hours=30):%Y-%m-%dT%H:%M}"}
    )
    ended = shown(browser, page, **{"until": f"{before - timedelta(hours=30):%Y-%m-%dT%H:%M}"})

    assert ("<pre" in unnamed, hint in unnamed) == (False, True)
    assert ("<pre" in named, hint in named) == (True, False)
    assert "<pre" not in ended


def test_the_messages_of_a_session_are_those_that_name_it(
    browser: Client, page: str, home: str, station: ChargingStation
) -> None:
    row = session(station, "T-7", number=7)
    for number, named in (("a", '"T-7"'), ("b", " 7"), ("c", '"T-77"'), ("d", "77")):
        keep(station, number, f'[2,"{number}","X",{{"transactionId":{named},"mark":"{number}-mark"}}]')
    keep(station, "s", '[2,"s","StartTransaction",{"mark":"s-mark"}]')
    keep(station, "s", '[3,"s",{"transactionId":7}]', type=3, direction="out")

    text = shown(browser, page, session=str(row.pk))

    assert [mark for mark in "abcds" if f"{mark}-mark" in text] == ["a", "b", "s"]
    assert f"messages/?session={row.pk}" in browser.get(f"{home}sessions/{row.pk}/").content.decode()


def test_a_refused_message_says_what_was_wrong_with_it(
    browser: Client, page: str, station: ChargingStation
) -> None:
    keep(station, "n-1", '[2,"n-1","Heartbeat",{"odd":1}]', verdict="refused:FormatViolation")
    error = '[4,"n-1","FormatViolation","odd: not known here",{}]'
    keep(station, "n-1", error, NOW + timedelta(seconds=1), type=4, direction="out")

    assert '<p class="bad mt-2">' in (text := shown(browser, page))
    assert "odd: not known here</p>" in text


def test_a_search_is_exported_line_by_line_and_written_down(
    browser: Client, page: str, station: ChargingStation
) -> None:
    keep(station, "n-1", '[2,"n-1","DataTransfer",{"data":"Zaphod"}]', latency_us=1500)
    keep(station, "n-2", '[2,"n-2","DataTransfer",{"data":"Trillian"}]')

    answer = browser.get(f"{page}export/", {"text": "Zaphod"})

    lines = b"".join(answer).decode().splitlines()  # type: ignore[arg-type]
    assert answer["Content-Type"] == "application/x-ndjson"
    assert [(row["message_id"], row["latency_ms"], row["verdict"]) for row in map(json.loads, lines)] == [
        ("n-1", 1.5, "ok")
    ]
    entry = AuditEntry.objects.get(action="list.exported", organization=station.organization)
    assert entry.changes == {"text": [None, "Zaphod"]}


@pytest.mark.parametrize("query", [{"from": "yesterday"}, {"until": "0001-01-01T00:00"}, {"session": "x"}])
def test_a_filter_that_cannot_be_read_is_told(browser: Client, page: str, query: dict[str, str]) -> None:
    assert browser.get(page, query).status_code in (400, 404)
    assert browser.get(f"{page}export/", query).status_code in (400, 404)


def test_a_stranger_exports_nothing_and_a_session_of_another_station_is_not_found(
    browser: Client, charlie: Client, page: str, station: ChargingStation
) -> None:
    keep(station, "n-1", '[2,"n-1","X",{}]')
    other = ChargingStation.objects.create(
        organization=station.organization, site=station.site, identity="ANOTHER-ONE"
    )
    row = session(other, "T-8")

    assert charlie.get(f"{page}export/").status_code == 404
    assert browser.get(page, {"session": str(row.pk)}).status_code == 404


def test_tokens_in_messages_are_shortened_for_who_may_not_see_drivers(
    browser: Client, browser_of: Any, organization: Organization, page: str, station: ChargingStation
) -> None:
    keep(station, "n-1", '[2,"n-1","Authorize",{"idTag":"04A1B2C3D4E5"}]', action="Authorize")
    keep(
        station, "n-2", '[2,"n-2","Authorize",{"idToken":{"idToken" : "04A1\\u00e9B2C3D4E5","type"', action=""
    )
    technician = browser_of(factories.make_member(organization, Role.TECHNICIAN, "theo"))

    seen, export = shown(technician, page), b"".join(technician.get(f"{page}export/")).decode()

    assert "04A1B2C3D4E5" in shown(browser, page)
    for text in (seen, export):
        assert "04A1" not in text
        assert text.count("…D4E5") == 2
