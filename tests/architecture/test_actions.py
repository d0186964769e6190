"""Every action of OCPP has its place: served, or listed with the reason why not; and the page about it is fresh."""

from importlib.resources import files

import pytest

from scripts import ocpp_page
from scripts.ocpp_page import Action
from scripts.reading_code import reached_by
from stations.domain.words import Version
from stations.ocpp import raw_calls
from stations.ocpp.tables import tables_of

FOLDERS = {Version.V16: "v16", Version.V201: "v201", Version.V21: "v21"}
COUNTS = {Version.V16: 39, Version.V201: 64, Version.V21: 91}
FROM, TO, BOTH = "CS->CSMS", "CSMS->CS", "both"

pytestmark = pytest.mark.parametrize("version", Version)


def rows(version: Version, *directions: str) -> list[str]:
    return [
        row.action
        for row in ocpp_page.actions()
        if row.version == version.value and row.direction in directions
    ]


def listed(version: Version, direction: str) -> list[str]:
    return [
        row.action
        for row in ocpp_page.unserved()
        if row.version == version.value and row.direction == direction
    ]


def told_by(version: Version) -> list[str]:
    """The actions that an intent of ours becomes."""
    tables = tables_of(version)
    return [action for action in rows(version, TO, BOTH) if ocpp_page.intents_of(tables, action)]


def test_the_table_of_actions_is_that_of_the_schemas(version: Version) -> None:
    folder = files("ocpp") / FOLDERS[version] / "schemas"
    names = {entry.name.removesuffix(".json").removesuffix("Request") for entry in folder.iterdir()}
    named = sorted(name for name in names if not name.endswith(("Response", ".py")) and "_" not in name)

    assert sorted(rows(version, FROM, TO, BOTH)) == named
    assert len(named) == COUNTS[version]


def test_the_table_and_the_door_agree_on_who_says_what(version: Version) -> None:
    assert {name for name in rows(version, TO, BOTH) if name in raw_calls.STATIONS_SAY} == set()
    assert {name for name in rows(version, FROM) if name not in raw_calls.STATIONS_SAY} == set()


def test_what_a_station_may_say_is_routed_or_listed_with_the_reason(version: Version) -> None:
    routed = set(tables_of(version).routes)
    missing = [name for name in rows(version, FROM, BOTH) if name not in routed]

    assert sorted(routed - set(rows(version, FROM, BOTH))) == []
    assert missing == sorted(listed(version, FROM)), f"tests/wire/unserved.csv: {FROM} of {version.value}"


def test_what_a_station_may_be_told_has_a_command_or_is_listed_with_the_reason(version: Version) -> None:
    told = told_by(version)
    missing = [name for name in rows(version, TO, BOTH) if name not in told]

    assert missing == sorted(listed(version, TO)), f"tests/wire/unserved.csv: {TO} of {version.value}"
    assert all(len(reason) > 10 for reason in ocpp_page.unserved().values())


def test_only_answers_to_what_we_say_are_taken_in(version: Version) -> None:
    assert sorted(set(tables_of(version).absorb) - set(rows(version, TO, BOTH))) == []


def test_the_page_says_where_the_effect_of_each_message_is_seen(version: Version) -> None:
    routes = tables_of(version).routes
    places = {place for route in routes.values() for place in ocpp_page.seen_at(route, reached_by(route))}

    assert places
    assert sorted(places - set(ocpp_page.SEEN)) == [], "add a line to SEEN in scripts/ocpp_page.py"


def test_the_page_about_all_actions_is_fresh(version: Version) -> None:
    fresh = ocpp_page.document()
    chapter = fresh[fresh.index(f"## OCPP {version.value}:") :]
    named = [row for row in chapter.split("\n## ")[0].splitlines() if row.startswith("| `")]

    assert len(named) == COUNTS[version] + len(rows(version, BOTH))
    assert ocpp_page.TARGET.read_text(encoding="utf-8") == fresh, f"run: {ocpp_page.AGAIN}"


def test_who_serves_a_message_is_read_from_the_code(version: Version) -> None:
    found = reached_by(tables_of(version).routes["MeterValues"])
    assert found.facts == ["ReadingsReported"]

    start = Action("1.6", "StartTransaction", FROM) if version is Version.V16 else None
    route = tables_of(version).routes[start.action if start else "TransactionEvent"]
    verb, event = ("start", "TransactionStarted") if start else ("apply_event", "TransactionEventReported")
    assert reached_by(route).services[f"transactions.{verb}"] == [event]
