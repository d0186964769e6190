"""``?search=``: parts of texts, in any case, and nothing that the reader may not see."""

import pytest
from django.urls import get_resolver
from rest_framework.test import APIClient

from core.access import Actor
from portal import session_search
from portal.api.resource import ListResource
from stations.services import stations
from tests import factories
from tests.factories import sessions
from tests.portal.api.conftest import results

# Lists of figures and times, and messages, whose text only the page searches, a span of time at once.
WITHOUT_TEXTS = {
    "AssignmentList", "CompositeList", "EntryList", "ErasureList", "EventList", "EventStreamList",
    "LimitList", "MessageList", "NetworkProfileList", "ReadingList", "StatisticsList",
    "StreamValueList", "VersionList", "WalletEntries", "WalletList", "BatterySwapList",
}  # fmt: skip


def test_every_list_with_texts_can_be_searched() -> None:
    lists = [
        view
        for pattern in get_resolver("portal.api.urls").url_patterns
        if issubclass(view := getattr(pattern.callback, "view_class", object), ListResource)
    ]
    silent = {
        one.__name__
        for one in lists
        if one.filter_class is None or "search" not in one.filter_class.base_filters
    }

    assert len(lists) > len(silent) > 0
    assert silent == WITHOUT_TEXTS


@pytest.mark.parametrize("words", ["amper", "XL-7", "noisy meter"])
def test_a_part_of_any_of_its_texts_finds_a_row_whatever_its_case(api: APIClient, words: str) -> None:
    for vendor, model, reason in (("Amperix", "xl-70", "A Noisy Meter"), ("Voltworks", "v2", "Slow")):
        body = {"vendor": vendor, "model": model, "reason": reason}
        assert api.post("/api/v1/quirks/", body).status_code == 201

    own = {"search": words, "example": "false"}
    assert [row["vendor"] for row in results(api.get("/api/v1/quirks/", own))] == ["Amperix"]
    assert results(api.get("/api/v1/quirks/", {"search": "%", "example": "false"})) == []
    assert len(results(api.get("/api/v1/quirks/", {"search": "", "example": "false"}))) == 2


@pytest.mark.parametrize("path", ["authorizations", "reservations", "transactions"])
def test_a_search_finds_no_card_by_its_value_for_who_may_not_see_it(
    api_with: object, alice: Actor, path: str
) -> None:
    limited = api_with("authorizations:read", "reservations:read", "transactions:read")  # type: ignore[operator]

    assert results(limited.get(f"/api/v1/{path}/", {"search": "04A2"})) == []


def test_a_session_is_found_by_its_station_and_by_ids_as_a_whole(
    api: APIClient, api_with: object, alice: Actor
) -> None:
    station, _ = factories.make_station(alice)
    stations.add_evse(station, 1)
    session = sessions.begin(station, token="04A2B3C4")
    limited = api_with("transactions:read")  # type: ignore[operator]

    for words in (station.identity[2:].lower(), "04a2b3c4", session.reference):
        assert [row["id"] for row in results(api.get("/api/v1/transactions/", {"search": words}))] == [
            str(session.pk)
        ]
    assert results(api.get("/api/v1/transactions/", {"search": "nothing"})) == []
    for asked in ({"search": "04A2B3C4"}, {"token": "04A2B3C4"}):
        assert results(limited.get("/api/v1/transactions/", asked)) == []
    assert len(results(api.get("/api/v1/transactions/", {"token": "04a2b3c4"}))) == 1


def test_where_words_name_too_many_the_newest_stations_and_tokens_are_looked_for(
    api: APIClient, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_search, "FOUND_AT_MOST", 2)
    made = [factories.make_station(alice, name=f"Quay {number}")[0] for number in range(4)]
    begun = []
    for number, station in enumerate(made):
        stations.add_evse(station, 1)
        factories.make_token(alice, f"04A{number}", label=f"Van {number}")
        begun.append(str(sessions.begin(station, token=f"04A{number}").pk))

    for words in ("quay", "van"):
        rows = results(api.get("/api/v1/transactions/", {"search": words}))
        assert {row["id"] for row in rows} == set(begun[2:])
