"""The tab Display: tariffs at the station are read, set, changed and cleared; a session's cost is told."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from core import clock
from core.access import Role
from core.models import Membership, Organization
from stations.domain.words import Capability
from stations.models import (
    ChargingStation,
    Command,
    Evse,
    FrozenTariff,
    Presence,
    StationTariff,
    Transaction,
)
from stations.services import learning
from tests import factories
from tests.stations.ocpp.charging import publish

HTMX = {"HX-Request": "true"}
TARIFF = {"tariffId": "DAY-1", "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.45}]}}


@pytest.fixture
def page(home: str, station: ChargingStation) -> str:
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.1", epoch=1)
    return f"{home}stations/{station.pk}/display/"


@pytest.fixture
def session(station: ChargingStation, evse: Evse) -> Transaction:
    return Transaction.objects.create(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station=station,
        evse=evse,
        reference="tx-1",
        started_at=clock.now(),
        last_event_at=clock.now(),
    )


def keep(station: ChargingStation, **changes: Any) -> StationTariff:
    values = {"kind": "default", "tariff_id": "DAY-1", "status": "installed", "told_at": clock.now()}
    return StationTariff.objects.create(station=station, **{**values, **changes})


def press(client: Client, page: str, command: str, **values: object) -> Any:
    return client.post(f"{page}send/", {"command": command, **values}, headers=HTMX)


def said(station: ChargingStation) -> list[tuple[str, Any]]:
    return list(Command.objects.filter(station=station).order_by("id").values_list("command", "parameters"))


def test_its_tariffs_are_read_and_the_answer_shows_beside(
    browser: Client, page: str, station: ChargingStation
) -> None:
    answer = press(browser, page, "get_tariffs")

    assert answer.status_code == 200
    assert 'id="shown"' in answer.content.decode()
    assert "Read tariffs" in answer.content.decode()
    assert said(station) == [("get_tariffs", {"evse_id": 0})]


def test_one_tariff_is_cleared_at_its_place_or_all_of_them(
    browser: Client, page: str, station: ChargingStation
) -> None:
    everywhere, at_one = keep(station), keep(station, tariff_id="NIGHT-1", evse_id=2)
    for values in ({"station_tariff": everywhere.pk}, {"station_tariff": at_one.pk}, {}):
        assert press(browser, page, "clear_tariffs", **values).status_code == 200

    assert said(station) == [
        ("clear_tariffs", {"tariff_ids": ["DAY-1"]}),
        ("clear_tariffs", {"tariff_ids": ["NIGHT-1"], "evse_id": 2}),
        ("clear_tariffs", {"tariff_ids": []}),
    ]


def test_only_what_is_there_and_can_be_cleared_has_its_button(
    browser: Client, page: str, station: ChargingStation, session: Transaction
) -> None:
    there = keep(station)
    others = [
        keep(station, tariff_id="OLD-1", status="refused"),
        keep(station, tariff_id="NOW-1", kind="transaction", transaction=session),
    ]
    text = browser.get(page).content.decode()

    assert f"clear-{there.pk}" in text
    assert [one.tariff_id for one in others if f"clear-{one.pk}" in text] == []
    assert [one.tariff_id for one in others if one.tariff_id not in text] == []


def test_a_default_tariff_is_set_from_its_json(browser: Client, page: str, station: ChargingStation) -> None:
    here = press(browser, page, "set_default_tariff", tariff=json.dumps(TARIFF), evse_id=2)
    everywhere = press(browser, page, "set_default_tariff", tariff=json.dumps(TARIFF), evse_id="")

    assert (here.status_code, everywhere.status_code) == (200, 200)
    assert [values["evse_id"] for _name, values in said(station)] == [2, 0]
    assert [values["tariff"] for _name, values in said(station)] == [TARIFF, TARIFF]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"tariff": "{tariffId"}, "The tariff is not JSON"),
        ({"tariff": ""}, "The tariff is not JSON"),
        ({"tariff": "[1]"}, "The tariff is a JSON object"),
        ({"tariff": "{}"}, "The tariff needs a “tariffId”"),
        ({"tariff": json.dumps(TARIFF), "evse_id": "x"}, "Choose an EVSE"),
        ({"tariff": json.dumps(TARIFF), "evse_id": "9"}, "The station has no EVSE 9"),
    ],
)
def test_a_refused_tariff_is_told_beside_its_form(
    browser: Client, page: str, station: ChargingStation, values: dict[str, str], why: str
) -> None:
    answer = press(browser, page, "set_default_tariff", **values)

    assert answer.status_code == 422
    assert "data-refusal" in answer.content.decode()
    assert why in answer.content.decode()
    assert said(station) == []


def test_the_tariff_and_the_cost_of_a_running_session_are_told(
    browser: Client, page: str, station: ChargingStation, session: Transaction
) -> None:
    text = browser.get(page).content.decode()
    changed = press(
        browser, page, "change_transaction_tariff", transaction=session.pk, tariff=json.dumps(TARIFF)
    )
    cost = press(browser, page, "cost_updated", transaction=session.pk, total_cost="4,20")

    assert text.count(f'<option value="{session.pk}">') == 2
    assert (changed.status_code, cost.status_code) == (200, 200)
    names, parameters = zip(*said(station), strict=True)
    assert names == ("change_transaction_tariff", "cost_updated")
    assert [one["reference"] for one in parameters] == ["tx-1", "tx-1"]
    assert (parameters[0]["tariff"], parameters[1]["total_cost"]) == (TARIFF, "4.20")


def test_t42_a_session_that_is_priced_is_told_its_own_tariff_and_no_other(
    browser: Client, page: str, station: ChargingStation, session: Transaction
) -> None:
    alice = factories.make_actor(Organization.objects.get(pk=station.organization_id))
    version = publish(alice)
    FrozenTariff.objects.create(
        transaction=session,
        version=version,
        level="organization",
        document=version.document,
        currency="EUR",
        time_zone="UTC",
        policy="session-vat-group/1",
        basis="gross",
        frozen_at=clock.now(),
    )
    own = {"transaction": session.pk}
    other = press(browser, page, "change_transaction_tariff", **own, tariff=json.dumps(TARIFF))
    left_empty = press(browser, page, "change_transaction_tariff", **own, tariff="")

    assert (other.status_code, left_empty.status_code) == (409, 200)
    assert "billed by the tariff of its start" in other.content.decode()
    ((_name, parameters),) = said(station)
    assert parameters["tariff"]["energy"]["prices"] == [{"priceKwh": 0.5}]
    assert parameters["tariff"]["tariffId"] == str(version.pk)


@pytest.mark.parametrize("cost", ["", "much", "NaN", "Infinity", "-1", "1e10", "0.12345"])
def test_what_is_no_cost_is_refused(
    browser: Client, page: str, station: ChargingStation, session: Transaction, cost: str
) -> None:
    assert press(browser, page, "cost_updated", transaction=session.pk, total_cost=cost).status_code == 422
    assert said(station) == []


def test_a_session_that_is_over_or_of_nobody_is_not_changed(
    browser: Client, page: str, station: ChargingStation, session: Transaction
) -> None:
    Transaction.objects.filter(pk=session.pk).update(status="ended")
    text = browser.get(page).content.decode()
    tries = {session.pk: 409, uuid4(): 404, "x": 422}
    for command in ("cost_updated", "change_transaction_tariff"):
        found = {
            one: press(
                browser, page, command, transaction=one, total_cost="1", tariff=json.dumps(TARIFF)
            ).status_code
            for one in tries
        }
        assert found == tries

    assert 'value="cost_updated"' not in text
    assert 'value="change_transaction_tariff"' not in text
    assert said(station) == []


def test_each_role_is_offered_and_allowed_its_own(
    organization: Organization,
    browser_of: Callable[[Membership], Client],
    page: str,
    station: ChargingStation,
    session: Transaction,
) -> None:
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    rita = browser_of(factories.make_member(organization, Role.BILLING, "rita"))
    technician, billing = (client.get(page).content.decode() for client in (bob, rita))
    own = {"transaction": session.pk, "total_cost": "1", "tariff": json.dumps(TARIFF)}

    assert 'value="cost_updated"' in technician
    assert 'value="cost_updated"' not in billing
    assert 'value="get_tariffs"' not in technician
    assert 'value="get_tariffs"' in billing
    for command in ("get_tariffs", "clear_tariffs", "set_default_tariff", "change_transaction_tariff"):
        assert press(bob, page, command, **own).status_code == 403
    assert press(rita, page, "cost_updated", **own).status_code == 403
    assert said(station) == []


def test_viewers_strangers_and_other_words_send_nothing(
    browser: Client,
    viewer: Client,
    charlie: Client,
    page: str,
    home: str,
    station: ChargingStation,
    session: Transaction,
) -> None:
    own = {"transaction": session.pk, "total_cost": "1", "tariff": json.dumps(TARIFF)}
    names = (
        "get_tariffs",
        "clear_tariffs",
        "set_default_tariff",
        "change_transaction_tariff",
        "cost_updated",
    )
    for command in names:
        assert press(viewer, page, command, **own).status_code == 403
        assert press(charlie, page, command, **own).status_code == 404
    assert press(browser, page, "reset").status_code == 422
    assert "display/send/" not in viewer.get(page).content.decode()
    assert said(station) == []


def test_a_tariff_of_another_station_is_not_cleared_here(
    browser: Client, page: str, actor: object, station: ChargingStation
) -> None:
    other = keep(factories.make_station(actor)[0])
    answers = [
        press(browser, page, "clear_tariffs", station_tariff=one).status_code for one in (other.pk, "x")
    ]

    assert answers == [404, 422]
    assert said(station) == []


def test_what_the_station_cannot_is_not_offered(
    browser: Client, page: str, station: ChargingStation, session: Transaction
) -> None:
    learned = learning.by_version({}, "2.0.1", [Capability.TARIFF], clock.now())
    ChargingStation.objects.filter(pk=station.pk).update(capabilities=learned)
    older = browser.get(page).content.decode()
    learned = learning.by_version({}, "2.1", [Capability.DISPLAY], clock.now())
    ChargingStation.objects.filter(pk=station.pk).update(capabilities=learned)
    without_display = browser.get(page).content.decode()

    assert 'value="get_tariffs"' not in older
    assert 'value="cost_updated"' in older
    assert 'value="get_tariffs"' in without_display
    assert "display/read/" not in without_display
    assert "Show a message" not in without_display
