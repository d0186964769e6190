"""``/tools/reprice/``: past sessions by another tariff (dashboard D-17)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import ApiKey, Organization
from portal.api import repricing
from stations.models import ChargingStation, SessionCost
from stations.services import access, price_trials, sites
from tests import factories
from tests.factories.sessions import begin, end
from tests.portal.api.conftest import client_with
from tests.portal.api.test_bad_input import problem
from tests.stations.ocpp.charging import priced

URL = "/api/v1/tools/reprice/"
DEARER = {
    "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.9, "vat": 19}]}],
}


def asked(client: APIClient, **changes: Any) -> Any:
    body = {
        "tariff": DEARER,
        "started_after": (clock.now() - timedelta(days=30)).isoformat(),
        "started_before": (clock.now() + timedelta(minutes=1)).isoformat(),
        **changes,
    }
    return client.post(URL, {name: value for name, value in body.items() if value is not None}, format="json")


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    """Two sessions of 10 kWh were charged here by 0.50 a kWh plus 19 %."""
    station, _ = factories.make_station(alice)
    priced(alice)
    for evse_id in (1, 2):
        end(begin(station, token=f"04A{evse_id}", evse_id=evse_id), 10_000)
    return station


def test_d17_past_sessions_are_repriced_and_nothing_is_stored(
    api: APIClient, station: ChargingStation
) -> None:
    answer = asked(api)
    told = answer.json()

    assert answer.status_code == 200
    sums = {name: told[name] for name in told if name != "sessions"}
    assert sums == {
        "currency": "EUR", "was": "11.90", "would_be": "21.42", "change_percent": "80.0", "compared": 2,
        "much_dearer": 2, "unpriced": 0, "more": False,
    }  # fmt: skip
    rows = told["sessions"]
    assert [(row["was"], row["would_be"], row["difference"], row["cause"]) for row in rows] == [
        ("5.95", "10.71", "4.76", None)
    ] * 2
    assert {row["station"] for row in rows} == {str(station.pk)}
    assert "04A1" not in answer.content.decode()
    assert {str(cost.incl_vat) for cost in SessionCost.objects.all()} == {"5.9500"}


def test_d17_days_site_and_station_narrow_it(api: APIClient, alice: Actor, station: ChargingStation) -> None:
    elsewhere = sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)
    other, _ = factories.make_station(alice)
    long_ago = {"started_after": "2020-01-01T00:00:00Z", "started_before": "2020-02-01T00:00:00Z"}

    assert asked(api, station=str(station.pk)).json()["compared"] == 2
    assert asked(api, site=str(station.site_id)).json()["compared"] == 2
    for narrowed in ({"station": str(other.pk)}, {"site": str(elsewhere.pk)}, long_ago):
        told = asked(api, **narrowed).json()
        assert (told["sessions"], told["was"], told["change_percent"]) == ([], "0.00", None)


def test_d17_what_cannot_be_priced_says_why(api: APIClient, station: ChargingStation) -> None:
    by_power = [
        {
            "price_components": [{"type": "ENERGY", "price": 0.9}],
            "restrictions": {"min_power": 50},
        }
    ]
    told = asked(api, tariff={**DEARER, "elements": by_power}).json()

    assert (told["compared"], told["unpriced"]) == (0, 2)
    assert {(row["would_be"], row["difference"], row["cause"]) for row in told["sessions"]} == {
        (None, None, "missing_power")
    }


def test_d17_only_the_newest_are_taken_and_it_is_said(
    api: APIClient, station: ChargingStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_trials, "AT_MOST", 1)
    monkeypatch.setitem(price_trials.run.__kwdefaults__, "at_most", 1)
    told = asked(api).json()

    assert (len(told["sessions"]), told["more"]) == (1, True)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"tariff": None}, "/tariff"),
        ({"tariff": {"currency": "EUR", "elements": [{"price_components": [{"type": "X", "price": 1}]}]}},
         "/tariff/elements/0/price_components/0/type"),
        ({"tariff": {"currency": "EUR", "elements": DEARER["elements"] * 101}}, "/tariff/elements"),
        ({"started_after": None}, "/started_after"),
        ({"started_before": "2020-01-01T00:00:00Z"}, "/started_before"),
        ({"started_after": "2020-01-01T00:00:00Z"}, "/started_before"),
        ({"started_after": "9999-06-01T00:00:00Z", "started_before": "9999-05-01T00:00:00Z"}, "/started_before"),
        ({"started_after": "0001-01-01T00:00:00Z", "started_before": "9999-12-31T23:59:59Z"}, "/started_before"),
        ({"site": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}, "/site"),
        ({"station": "x"}, "/station"),
        ({"driver": "Anna"}, "/driver"),
    ],
)  # fmt: skip
def test_d17_a_wrong_field_is_named(api: APIClient, changes: dict[str, Any], pointer: str) -> None:
    assert problem(asked(api, **changes), 400)["errors"][0]["pointer"] == pointer


def test_d17_the_last_days_of_the_calendar_have_no_sessions(api: APIClient) -> None:
    answer = asked(api, started_after="9999-06-01T00:00:00Z", started_before="9999-12-31T00:00:00Z")

    assert (answer.status_code, answer.json()["sessions"]) == (200, [])


def test_d17_both_scopes_are_needed(api_with: Callable[..., APIClient], station: ChargingStation) -> None:
    for scopes in (("tariffs:read",), ("transactions:read",), ("stations:read",)):
        problem(asked(api_with(*scopes)), 403)
    assert asked(api_with("tariffs:read", "transactions:read")).json()["compared"] == 2


def test_d17_a_stranger_reprices_own_sessions_only(stranger: APIClient, station: ChargingStation) -> None:
    assert asked(stranger).json()["sessions"] == []
    assert problem(asked(stranger, station=str(station.pk)), 400)["errors"][0]["pointer"] == "/station"


def test_d17_who_is_limited_to_sites_reprices_their_sessions_only(
    organization: Organization, alice: Actor, station: ChargingStation
) -> None:
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)
    limited = client_with(factories.make_key(organization))
    access.limit_key(ApiKey.objects.filter(organization=organization).latest("id"), ["Elsewhere"], by=alice)

    assert asked(limited).json()["sessions"] == []


def test_d17_an_organization_reprices_one_thing_at_a_time_however_many_keys_it_has(
    api: APIClient, organization: Organization, station: ChargingStation
) -> None:
    with repricing.under_way.place(str(organization.pk)):
        refused = asked(api)

    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1
    assert asked(api).status_code == 200
