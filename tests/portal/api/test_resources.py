"""Sites, stations, tokens, transactions through the API, with the stranger's tests of each."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization
from drivers.models import IdToken
from drivers.services import tokens
from stations.models import ChargingStation, MeterReading, Presence, Transaction
from stations.services import stations
from tests import factories
from tests.portal.api.conftest import client_with, results


def make_transaction(alice: Actor) -> Transaction:
    station, _ = factories.make_station(alice)
    now = clock.now()
    return Transaction.objects.create(
        organization_id=alice.home,
        site=station.site,
        station=station,
        evse=stations.add_evse(station, 1),
        connector_id=1,
        reference=factories.unique("TX"),
        token_value="04A2B3C4D5E6F7",
        started_at=now - timedelta(hours=1),
        last_event_at=now,
        meter_start_wh=Decimal("1000"),
        meter_last_wh=Decimal("8345.678"),
        energy_wh=Decimal("7345.678"),
    )


def test_a_station_is_created_with_a_password_that_is_shown_once(api: APIClient) -> None:
    identity = factories.unique("CP")

    made = api.post("/api/v1/stations/", {"identity": identity})
    read = api.get(made["Location"])

    assert made.status_code == 201
    assert len(made.json()["password"]) == 40
    assert "password" not in read.json()
    assert read.json()["identity"] == identity
    assert read.json()["connected"] is False
    assert read.json()["registration"] == "accepted"
    assert AuditEntry.objects.filter(action="station.created", object_id=read.json()["id"]).exists()


def test_a_stations_password_can_be_given_and_is_never_shown(api: APIClient) -> None:
    made = api.post(
        "/api/v1/stations/", {"identity": factories.unique("CP"), "password": "a-typed-password-1234"}
    )

    assert made.status_code == 201
    assert "password" not in made.json()


@pytest.mark.parametrize("identity", ["", "a/b", " CP", "CP ", "a:b", "x" * 49, "..", "a\x00b", "a\nb"])
def test_an_identity_that_cannot_be_dialled_is_refused(api: APIClient, identity: str) -> None:
    answer = api.post("/api/v1/stations/", {"identity": identity})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/identity"


def test_p014_an_identity_that_differs_in_case_only_is_refused_and_names_the_clash(api: APIClient) -> None:
    identity = factories.unique("CP-a")
    api.post("/api/v1/stations/", {"identity": identity})

    answer = api.post("/api/v1/stations/", {"identity": identity.upper()})

    assert answer.status_code == 409
    assert identity in answer.json()["detail"]


def test_an_identity_of_another_organization_is_refused_without_its_name(
    api: APIClient, charlie: Actor
) -> None:
    taken, _ = factories.make_station(charlie)

    answer = api.post("/api/v1/stations/", {"identity": taken.identity.lower()})

    assert answer.status_code == 409
    assert str(taken.pk) not in answer.content.decode()


def test_a_station_is_changed_with_its_etag_and_a_lost_race_is_412(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    url = f"/api/v1/stations/{station.pk}/"
    tag = api.get(url)["ETag"]

    changed = api.patch(url, {"name": "Left"}, headers={"If-Match": tag})
    late = api.patch(url, {"name": "Right"}, headers={"If-Match": tag})
    unchanged = api.get(url, headers={"If-None-Match": changed["ETag"]})

    assert changed.status_code == 200
    assert changed.json()["name"] == "Left"
    assert late.status_code == 412
    assert unchanged.status_code == 304


def test_a_heartbeat_meanwhile_is_no_lost_race(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    url = f"/api/v1/stations/{station.pk}/"
    tag = api.get(url)["ETag"]
    Presence.objects.filter(station=station).update(last_seen_at=clock.now())

    seen = api.get(url, headers={"If-None-Match": tag})
    changed = api.patch(url, {"name": "Left"}, headers={"If-Match": tag})

    assert seen.status_code == 200
    assert changed.status_code == 200
    assert api.get(url, headers={"If-None-Match": f"W/{changed['ETag']}"}).status_code == 304


def test_a_change_leaves_alone_what_it_does_not_name(alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    token = factories.make_token(alice)
    ChargingStation.objects.filter(pk=station.pk).update(vendor="Booted meanwhile")
    IdToken.objects.filter(pk=token.pk).update(status="blocked")

    stations.update(station, {"name": "Left"}, by=alice)
    tokens.update(token, {"label": "Card"}, by=alice)

    assert ChargingStation.objects.get(pk=station.pk).vendor == "Booted meanwhile"
    assert IdToken.objects.get(pk=token.pk).status == "blocked"


def test_a_command_shows_no_token_to_whom_may_not_see_drivers(
    api: APIClient, api_with: Any, alice: Actor
) -> None:
    station, _ = factories.make_station(alice)
    url = f"/api/v1/stations/{station.pk}/commands/"
    body = {"command": "request_start_transaction", "token": {"value": "04A2B3C4D5"}}

    sent = api.post(url, body).json()
    seen = results(api_with("commands:read").get(url))[0]

    assert sent["parameters"]["token"]["value"] == "04A2B3C4D5"
    assert seen["parameters"]["token"]["value"] == "…C4D5"


def test_a_retired_station_is_gone_and_its_identity_free(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)

    gone = api.delete(f"/api/v1/stations/{station.pk}/")
    again = api.post("/api/v1/stations/", {"identity": station.identity})

    assert gone.status_code == 204
    assert api.get(f"/api/v1/stations/{station.pk}/").status_code == 404
    assert again.status_code == 201
    assert ChargingStation.objects.filter(identity=station.identity).count() == 2
    assert results(api.get(f"/api/v1/stations/{station.pk}/connections/")) == []
    sent = api.post(f"/api/v1/stations/{station.pk}/commands/", {"command": "clear_cache"})
    assert sent.status_code == 404


def test_a_stranger_finds_nothing_of_a_station(stranger: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    url = f"/api/v1/stations/{station.pk}/"

    assert results(stranger.get("/api/v1/stations/")) == []
    assert stranger.get(url).status_code == 404
    assert stranger.patch(url, {"name": "mine"}).status_code == 404
    assert stranger.delete(url).status_code == 404
    for below in ("commands", "messages", "variables", "connections", "alerts"):
        assert stranger.get(f"{url}{below}/").status_code == 404
    station.refresh_from_db()
    assert station.name == ""
    assert station.retired_at is None


def test_a_station_cannot_be_put_at_a_strangers_site(api: APIClient, charlie: Actor) -> None:
    theirs, _ = factories.make_station(charlie)

    answer = api.post("/api/v1/stations/", {"identity": factories.unique("CP"), "site": str(theirs.site_id)})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/site"


def test_sites_are_created_changed_and_retired(api: APIClient) -> None:
    made = api.post("/api/v1/sites/", {"name": "Harbour", "time_zone": "Europe/Berlin", "country": "DEU"})
    url = made["Location"]

    assert made.json()["country"] == "DE"
    assert api.patch(url, {"city": "Hamburg"}).json()["city"] == "Hamburg"
    assert api.patch(url, {"time_zone": "Mars/Olympus"}).status_code == 400
    assert api.delete(url).status_code == 204
    assert api.get(url).status_code == 404


def test_a_site_with_stations_cannot_be_retired(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)

    assert api.delete(f"/api/v1/sites/{station.site_id}/").status_code == 409


def test_a_stranger_cannot_touch_a_site(stranger: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)

    assert stranger.patch(f"/api/v1/sites/{station.site_id}/", {"name": "x"}).status_code == 404
    assert stranger.delete(f"/api/v1/sites/{station.site_id}/").status_code == 404


def test_tokens_are_created_blocked_found_and_forgotten(api: APIClient) -> None:
    made = api.post("/api/v1/tokens/", {"value": "04a2b3c4", "type": "ISO14443"})
    url = made["Location"]

    assert made.status_code == 201
    assert results(api.get("/api/v1/tokens/?value=04A2B3C4"))[0]["id"] == made.json()["id"]
    assert api.post("/api/v1/tokens/", {"value": "04A2B3C4", "type": "ISO14443"}).status_code == 409
    assert api.patch(url, {"status": "blocked"}).json()["status"] == "blocked"
    assert api.delete(url).status_code == 204
    assert api.post("/api/v1/tokens/", {"value": "04A2B3C4", "type": "ISO14443"}).status_code == 201


def test_a_stranger_cannot_touch_a_token(stranger: APIClient, alice: Actor) -> None:
    token = factories.make_token(alice)

    assert results(stranger.get(f"/api/v1/tokens/?value={token.value}")) == []
    assert stranger.patch(f"/api/v1/tokens/{token.pk}/", {"status": "blocked"}).status_code == 404
    assert stranger.delete(f"/api/v1/tokens/{token.pk}/").status_code == 404
    assert IdToken.objects.get(pk=token.pk).status == "accepted"


def test_a_token_cannot_join_a_strangers_group(api: APIClient, stranger: APIClient) -> None:
    group = stranger.post("/api/v1/groups/", {"name": "Fleet"}).json()

    answer = api.post("/api/v1/tokens/", {"value": "A1", "type": "Central", "group": group["id"]})

    assert answer.status_code == 400


def test_a_transaction_is_shown_with_exact_figures(api: APIClient, alice: Actor) -> None:
    transaction = make_transaction(alice)

    shown = api.get(f"/api/v1/transactions/{transaction.pk}/").json()

    assert shown["energy_wh"] == 7345.678
    assert shown["meter_start_wh"] == 1000
    assert shown["ocpp_transaction_id"] == transaction.reference
    assert shown["evse_id"] == 1
    assert shown["status"] == "active"
    assert shown["meter_stop_wh"] is None


def test_transactions_are_filtered_and_strangers_see_none(
    api: APIClient, stranger: APIClient, alice: Actor
) -> None:
    transaction = make_transaction(alice)
    make_transaction(alice)

    found = results(api.get(f"/api/v1/transactions/?station={transaction.station_id}&status=active"))

    assert [row["id"] for row in found] == [str(transaction.pk)]
    assert results(stranger.get("/api/v1/transactions/")) == []
    assert stranger.get(f"/api/v1/transactions/{transaction.pk}/").status_code == 404
    assert stranger.get(f"/api/v1/transactions/{transaction.pk}/readings/").status_code == 404


def test_readings_come_oldest_first_with_their_samples_verbatim(api: APIClient, alice: Actor) -> None:
    transaction = make_transaction(alice)
    for minute in (2, 1):
        MeterReading.objects.create(
            station=transaction.station,
            evse_id=1,
            transaction=transaction,
            occurred_at=transaction.started_at + timedelta(minutes=minute),
            received_at=clock.now(),
            digest=minute,
            context="Sample.Periodic",
            energy_wh=Decimal(1000 + minute),
            samples=[{"value": f"{1000 + minute}", "unit": "Wh"}],
        )

    rows = results(api.get(f"/api/v1/transactions/{transaction.pk}/readings/"))

    assert [row["samples"] for row in rows] == [
        [{"value": "1001", "unit": "Wh"}],
        [{"value": "1002", "unit": "Wh"}],
    ]


def test_readings_are_narrowed_to_a_measurand_and_thinned_out(api: APIClient, alice: Actor) -> None:
    """One that names no measurand is of the register."""
    transaction = make_transaction(alice)
    register, power = "Energy.Active.Import.Register", "Power.Active.Import"
    # Both resolutions below divide 300 s, so each of their spells begins there.
    begin = datetime.fromtimestamp(transaction.started_at.timestamp() // 300 * 300, UTC)
    sampled = [[{"value": "1"}], [{"value": "2", "measurand": power}],
               [{"value": "3", "measurand": register}, {"value": "4", "measurand": power}]]  # fmt: skip
    for number, samples in enumerate(sampled):
        MeterReading.objects.create(
            station=transaction.station, evse_id=1, transaction=transaction, digest=number, context="Sample.Periodic",
            occurred_at=begin + timedelta(seconds=25 * number), received_at=clock.now(), samples=samples,
        )  # fmt: skip
    url = f"/api/v1/transactions/{transaction.pk}/readings/"

    def values(**asked: Any) -> list[str]:
        return [row["samples"][0]["value"] for row in results(api.get(url, asked))]

    assert values() == ["1", "2", "3"]
    assert values(measurand=register) == ["1", "3"]
    assert values(measurand=power) == ["2", "3"]
    assert values(measurand="SoC") == []
    assert values(resolution=60) == ["3"]
    assert values(resolution=50) == ["2", "3"]
    assert values(resolution=60, measurand=register) == ["3"]
    assert values(resolution=60, limit=1) == ["3"]
    for wrong in ("0", "86401", "1.5", "x"):
        assert api.get(url, {"resolution": wrong}).status_code == 400


def test_those_who_may_not_see_drivers_see_the_end_of_a_token_only(
    organization: Organization, alice: Actor
) -> None:
    transaction = make_transaction(alice)
    client = client_with(factories.make_key(organization, "transactions:read"))

    assert client.get(f"/api/v1/transactions/{transaction.pk}/").json()["token"] == "…E6F7"
