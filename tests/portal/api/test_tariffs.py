"""``/tariffs/`` and the tariffs of sites and stations, with the stranger's tests of each."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import AuditEntry
from drivers.services import drivers
from stations.models import ChargingStation, Connector, TariffAssignment
from stations.services import stations
from tariffs.models import Tariff, TariffVersion
from tests import factories
from tests.factories import sessions
from tests.portal.api.conftest import results

URL = "/api/v1/tariffs/"
BODY: dict[str, Any] = {
    "country_code": "NL", "party_id": "CHY", "id": "DAY-1", "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.45, "vat": 21, "step_size": 1}]}],
}  # fmt: skip
HOUR = timedelta(hours=1)


def create(api: APIClient, **changes: Any) -> dict[str, Any]:
    answer = api.post(URL, {**BODY, **changes}, format="json")
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def publish(api: APIClient, made: dict[str, Any], **body: Any) -> Any:
    return api.post(f"{URL}{made['id']}/publish/", body, format="json")


def pointers_of(answer: Any, status: int = 400) -> list[str]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return [one["pointer"] for one in answer.json()["errors"]]


def test_t40_a_tariff_is_drafted_published_followed_and_retired(api: APIClient) -> None:
    made = create(api)
    first = publish(api, made).json()
    draft = api.patch(f"{URL}{made['id']}/", {"tariff_alt_url": "https://example.org"}, format="json").json()
    second = publish(api, made).json()
    versions = results(api.get(f"{URL}{made['id']}/versions/"))
    gone = api.delete(f"{URL}{made['id']}/")

    assert (made["state"], made["version"], made["valid_from"]) == ("draft", 1, None)
    assert (first["state"], first["version"], first["version_in_force"], first["valid_to"]) == (
        "published",
        1,
        1,
        None,
    )
    assert (draft["state"], draft["version"], draft["version_in_force"]) == ("draft", 2, 1)
    assert draft["tariff"]["elements"] == BODY["elements"]
    assert (second["state"], second["version"]) == ("published", 2)
    assert [(one["version"], one["state"]) for one in versions] == [(2, "published"), (1, "published")]
    assert versions[1]["valid_to"] == versions[0]["valid_from"]
    assert gone.status_code == 204
    assert api.get(f"{URL}{made['id']}/").json()["state"] == "retired"
    assert results(api.get(URL)) == []
    assert create(api)["state"] == "draft"


def test_every_digit_and_every_unknown_field_is_kept(api: APIClient) -> None:
    text = (
        '{"currency": "EUR", "x_partner": {"a": [1, 2.50]}, "elements": [{"price_components": '
        '[{"type": "ENERGY", "price": 0.1234567890123, "vat": 19.0}]}]}'
    )
    answer = api.post(URL, text, content_type="application/json")
    stored = TariffVersion.objects.get(tariff_id=answer.json()["id"]).document

    assert answer.status_code == 201
    assert '"price":0.1234567890123,"vat":19.0' in stored
    assert '"x_partner":{"a":[1,2.50]}' in stored
    assert b'"price":0.1234567890123' in answer.content


def test_put_replaces_and_null_takes_away(api: APIClient) -> None:
    made = create(api, tariff_alt_url="https://example.org")
    kept = api.patch(f"{URL}{made['id']}/", {"currency": "CHF"}, format="json").json()
    less = api.patch(f"{URL}{made['id']}/", {"tariff_alt_url": None}, format="json").json()
    replaced = api.put(
        f"{URL}{made['id']}/", {"elements": BODY["elements"], "currency": "SEK"}, format="json"
    ).json()

    assert (kept["tariff"]["currency"], kept["tariff"]["tariff_alt_url"]) == ("CHF", "https://example.org")
    assert "tariff_alt_url" not in less["tariff"]
    assert (replaced["tariff"]["currency"], replaced["tariff"]["id"]) == ("SEK", "DAY-1")


def test_a_lost_race_is_412(api: APIClient) -> None:
    made = create(api)
    tag = api.get(f"{URL}{made['id']}/")["ETag"]
    api.patch(f"{URL}{made['id']}/", {"currency": "CHF"}, format="json")
    late = api.patch(f"{URL}{made['id']}/", {"currency": "SEK"}, format="json", headers={"If-Match": tag})

    assert late.status_code == 412


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"elements": []}, "/elements"),
        ({**BODY, "currency": "EURO"}, "/currency"),
        ({**BODY, "id": "x" * 37}, "/id"),
        ({**BODY, "elements": [{"price_components": [{"type": "LUCK", "price": 1}]}]},
         "/elements/0/price_components/0/type"),
        ({**BODY, "elements": [{"price_components": [{"type": "FLAT", "price": "1"}]}]},
         "/elements/0/price_components/0/price"),
    ],
)  # fmt: skip
def test_what_is_no_tariff_is_refused_with_pointers(api: APIClient, body: Any, pointer: str) -> None:
    before = Tariff.objects.count()
    assert pointer in pointers_of(api.post(URL, body, format="json"))
    assert Tariff.objects.count() == before


def test_t40_publishing_refuses_what_the_linter_calls_an_error(api: APIClient) -> None:
    twice = [{"type": "ENERGY", "price": 1}, {"type": "ENERGY", "price": 2}]
    made = create(api, elements=[{"price_components": twice}])
    preview = api.get(f"{URL}{made['id']}/preview/").json()

    assert pointers_of(publish(api, made)) == ["/elements/0/price_components/1"]
    assert (preview["findings"][0]["code"], preview["findings"][0]["level"]) == ("L01", "error")


def test_t50_a_fast_station_forbids_a_start_fee(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    evse = stations.add_evse(station, 1)
    Connector.objects.filter(evse=evse).update(max_power_w=150_000)
    made = create(api)
    api.post(f"{URL}{made['id']}/assignments/", {"station": str(station.pk)}, format="json")
    fee = [{"price_components": [{"type": "ENERGY", "price": 1}, {"type": "FLAT", "price": 1}]}]
    api.patch(f"{URL}{made['id']}/", {"elements": fee}, format="json")

    assert pointers_of(publish(api, made)) == ["/elements/0/price_components/1"]


def test_t41_a_version_is_scheduled_withdrawn_and_never_published_into_the_past(api: APIClient) -> None:
    made = create(api)
    publish(api, made)
    api.patch(f"{URL}{made['id']}/", {"currency": "EUR"}, format="json")
    past = publish(api, made, valid_from=clock.to_wire(clock.now() - HOUR))
    start = clock.to_wire(clock.now() + HOUR)
    ahead = publish(api, made, valid_from=start).json()
    back = api.post(f"{URL}{made['id']}/withdraw/").json()

    assert pointers_of(past) == ["/valid_from"]
    assert (ahead["version"], ahead["version_in_force"]) == (2, 1)
    assert (back["version"], back["state"], back["version_in_force"]) == (2, "retired", 1)
    assert api.post(f"{URL}{made['id']}/withdraw/").status_code == 409


def test_the_preview_tells_what_drivers_read_in_each_language(api: APIClient) -> None:
    made = create(api)
    texts = {one["language"]: one["text"] for one in api.get(f"{URL}{made['id']}/preview/").json()["texts"]}

    assert texts == {
        "en": "Energy: 0.5445 € per kWh incl. 21 % VAT.", "de": "Energie: 0,5445 € je kWh inkl. 21 % MwSt."
    }  # fmt: skip


def test_a_tariff_is_assigned_to_places_and_that_ends(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    made = create(api)
    publish(api, made)
    url = f"{URL}{made['id']}/assignments/"
    whole = api.post(url, {}, format="json").json()
    at_site = api.post(url, {"site": str(station.site_id), "role": "REGULAR"}, format="json").json()
    two = api.post(url, {"site": str(station.site_id), "station": str(station.pk)}, format="json")
    ended = api.delete(f"{url}{at_site['id']}/")
    entry = AuditEntry.objects.filter(action="tariff.assigned").earliest("id")

    assert (whole["site"], whole["station"], whole["evse"], whole["role"]) == (None, None, None, "")
    assert (at_site["site"], at_site["role"]) == (str(station.site_id), "REGULAR")
    assert two.status_code == 400
    assert ended.status_code == 204
    assert [one["id"] for one in results(api.get(f"{url}?current=true"))] == [whole["id"]]
    assert len(results(api.get(url))) == 2
    assert entry.actor.startswith("key:")


def test_t43_a_tariff_is_the_contract_of_a_driver_or_a_group_or_for_a_type_of_connector(
    api: APIClient, alice: Actor
) -> None:
    driver = factories.make_driver(alice)
    group = drivers.create_group(name="Tenants", by=alice)
    made = create(api)
    publish(api, made)
    url = f"{URL}{made['id']}/assignments/"
    bodies = [{"driver": str(driver.pk)}, {"driver_group": str(group.pk)}, {"connector_type": "cCCS2"}]
    one, two, three = (api.post(url, body, format="json").json() for body in bodies)
    both = api.post(url, {**bodies[0], **bodies[1]}, format="json")
    wrong = api.post(url, {"connector_type": "no type"}, format="json")

    assert (one["driver"], one["driver_group"], one["connector_type"]) == (str(driver.pk), None, "")
    assert (two["driver"], two["driver_group"]) == (None, str(group.pk))
    assert (three["driver"], three["site"], three["connector_type"]) == (None, None, "cCCS2")
    assert both.status_code == 400
    assert pointers_of(wrong) == ["/connector_type"]
    assert [row["id"] for row in results(api.get(f"{url}?driver={driver.pk}"))] == [one["id"]]


@pytest.mark.parametrize("kind", ["sites", "stations"])
def test_a_site_and_a_station_name_the_tariff_that_holds_there(
    api: APIClient, alice: Actor, kind: str
) -> None:
    station, _ = factories.make_station(alice)
    thing = station.site if kind == "sites" else station
    url = f"/api/v1/{kind}/{thing.pk}/"
    made = create(api)
    publish(api, made)
    before = api.get(url).json()["tariff"]
    named = api.patch(url, {"tariff": made["id"]}, format="json").json()["tariff"]
    again = api.get(url).json()
    put = api.put(url, again, format="json")
    taken = api.patch(url, {"tariff": None}, format="json").json()["tariff"]
    unknown = api.patch(url, {"tariff": str(station.pk)}, format="json")

    assert (before, named, again["tariff"], taken) == (None, made["id"], made["id"], None)
    assert put.json()["tariff"] == made["id"]
    assert pointers_of(unknown) == ["/tariff"]
    assert results(api.get(f"/api/v1/{kind}/"))[0]["tariff"] is None


def test_naming_a_tariff_needs_the_right_to_keep_tariffs(
    api: APIClient, api_with: Callable[..., APIClient], alice: Actor
) -> None:
    station, _ = factories.make_station(alice)
    made = create(api)
    keeper = api_with("sites:write", "sites:read")

    assert (
        keeper.patch(f"/api/v1/sites/{station.site_id}/", {"tariff": made["id"]}, format="json").status_code
        == 403
    )
    assert not TariffAssignment.objects.filter(site=station.site).exists()


def test_a_station_that_is_created_can_name_its_tariff(api: APIClient) -> None:
    made = create(api)
    publish(api, made)
    answer = api.post(
        "/api/v1/stations/", {"identity": factories.unique("CP"), "tariff": made["id"]}, format="json"
    )
    site = api.post("/api/v1/sites/", {"name": "X", "time_zone": "UTC", "tariff": made["id"]}, format="json")

    assert answer.json()["tariff"] == made["id"]
    assert site.json()["tariff"] == made["id"]
    assert TariffAssignment.objects.current().count() == 2


def test_from_a_draft_to_the_final_cost(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    made = create(api)
    publish(api, made)
    api.patch(f"/api/v1/stations/{station.pk}/", {"tariff": made["id"]}, format="json")
    session = sessions.end(sessions.begin(ChargingStation.objects.get(pk=station.pk)), 10_000)
    shown = api.get(f"/api/v1/transactions/{session.pk}/").json()

    assert shown["cost"] == {"excl_vat": "4.50", "incl_vat": "5.45", "currency": "EUR", "final": True}


def test_tariffs_are_filtered_by_state_and_name(api: APIClient) -> None:
    draft, published = create(api), create(api, id="OTHER")
    publish(api, published)

    assert [one["id"] for one in results(api.get(f"{URL}?state=draft"))] == [draft["id"]]
    assert [one["id"] for one in results(api.get(f"{URL}?state=published"))] == [published["id"]]
    assert [one["id"] for one in results(api.get(f"{URL}?ocpi_id=OTHER"))] == [published["id"]]
    api.delete(f"{URL}{draft['id']}/")
    assert [one["id"] for one in results(api.get(f"{URL}?state=retired"))] == [draft["id"]]


def test_reading_needs_one_scope_and_writing_another(
    api: APIClient, api_with: Callable[..., APIClient]
) -> None:
    made = create(api)
    reader, nobody = api_with("tariffs:read"), api_with("sites:read")

    assert reader.get(f"{URL}{made['id']}/").status_code == 200
    assert reader.post(URL, BODY, format="json").status_code == 403
    assert publish(reader, made).status_code == 403
    assert reader.delete(f"{URL}{made['id']}/").status_code == 403
    assert nobody.get(URL).status_code == 403
    assert nobody.post("/api/v1/tools/price/", {}, format="json").status_code == 403


def test_a_repeated_post_under_one_key_makes_one_tariff(api: APIClient) -> None:
    before = Tariff.objects.count()
    answers = [api.post(URL, BODY, format="json", headers={"Idempotency-Key": "k"}).json() for _ in range(2)]

    assert answers[0] == answers[1]
    assert Tariff.objects.count() == before + 1


def test_for_a_stranger_there_is_no_such_tariff(api: APIClient, stranger: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    made = create(api)
    publish(api, made)
    one = api.post(f"{URL}{made['id']}/assignments/", {}, format="json").json()
    url = f"{URL}{made['id']}/"

    assert results(stranger.get(URL)) == []
    for path in ("", "versions/", "preview/", "assignments/"):
        assert stranger.get(f"{url}{path}").status_code == 404
    assert stranger.patch(url, {"currency": "SEK"}, format="json").status_code == 404
    assert stranger.put(url, BODY, format="json").status_code == 404
    for path in ("publish/", "withdraw/", "assignments/"):
        assert stranger.post(f"{url}{path}", {}, format="json").status_code == 404
    assert stranger.delete(f"{url}assignments/{one['id']}/").status_code == 404
    assert stranger.delete(url).status_code == 404
    own = create(stranger)
    taken = stranger.post(f"{URL}{own['id']}/assignments/", {"station": str(station.pk)}, format="json")
    assert pointers_of(taken) == ["/station"]
    assert Tariff.objects.get(pk=made["id"]).retired_at is None
