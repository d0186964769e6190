"""Keys, scopes, errors, limits: what every resource of the API has in common."""

import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import ApiKey, AuditEntry, Organization
from core.outage import Outage
from core.services import keys
from drivers.models import IdToken
from portal.accounts import IDLE_LIMIT, SEEN
from portal.api import idempotency, ocmf, pricing, ratelimit
from portal.api.ratelimit import Buckets, buckets
from portal.api.urls import urlpatterns
from portal.models import IdempotentAnswer
from stations.models import ChargingStation, Site
from stations.services import access
from tests import factories
from tests.portal.api.conftest import client_with, results


def test_without_a_key_the_answer_is_401_with_a_challenge(db: None) -> None:
    answer = APIClient().get("/api/v1/stations/")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("secret", ["", "x", "cy_AAAAAAAA_" + "a" * 43, "cy_ÄÄÄÄÄÄÄÄ_"])
def test_a_wrong_key_is_401(db: None, secret: str) -> None:
    assert client_with(secret).get("/api/v1/stations/").status_code == 401


def test_an_expired_or_revoked_key_is_401(organization: Organization, alice: Actor) -> None:
    _, expired = keys.create(
        organization, name="old", scopes=["*"], by=alice, expires_at=clock.now() - timedelta(seconds=1)
    )
    other, revoked = keys.create(organization, name="gone", scopes=["*"], by=alice)
    keys.revoke(other, by=alice)

    assert client_with(expired).get("/api/v1/stations/").status_code == 401
    assert client_with(revoked).get("/api/v1/stations/").status_code == 401
    assert AuditEntry.objects.filter(action="api_key.revoked", object_id=other.pk).exists()


def test_a_key_is_stored_as_a_hash_only(organization: Organization) -> None:
    secret = factories.make_key(organization)

    stored = str(list(ApiKey.objects.values()))

    assert secret not in stored
    assert secret[12:] not in stored


def test_a_key_bound_to_networks_is_refused_from_elsewhere(organization: Organization, alice: Actor) -> None:
    _, secret = keys.create(organization, name="office", scopes=["*"], by=alice, networks=["192.0.2.0/24"])

    assert client_with(secret).get("/api/v1/sites/").status_code == 401
    assert client_with(secret).get("/api/v1/sites/", REMOTE_ADDR="192.0.2.7").status_code == 200


def test_a_missing_scope_is_403_and_names_it(api_with: Callable[..., APIClient]) -> None:
    answer = api_with("sites:read").get("/api/v1/stations/")

    assert answer.status_code == 403
    assert "stations:read" in answer.json()["detail"]


def test_reading_does_not_allow_writing(api_with: Callable[..., APIClient]) -> None:
    answer = api_with("sites:read").post("/api/v1/sites/", {"name": "A", "time_zone": "UTC"})

    assert answer.status_code == 403
    assert not Site.objects.filter(name="A").exists()


def test_every_route_names_its_scope() -> None:
    without = [
        str(route.pattern)
        for route in urlpatterns
        if hasattr(route.callback, "view_class")
        and str(route.pattern) not in {"v1/schema/", "docs/", r"^v1/[\s\S]*$"}
        and not getattr(route.callback.view_class, "scopes", None)
    ]

    assert without == []


def test_a_key_limited_to_a_site_sees_nothing_of_the_others(organization: Organization, alice: Actor) -> None:
    seen, _ = factories.make_station(alice)
    site = Site.objects.create(organization=organization, name="Far away")
    hidden, _ = factories.make_station(alice, site=site)
    key, secret = keys.create(organization, name="near", scopes=["*"], by=alice)
    access.limit_key(key, [seen.site.name], by=alice)
    client = client_with(secret)

    listed = [row["identity"] for row in results(client.get("/api/v1/stations/"))]

    assert listed == [seen.identity]
    assert client.get(f"/api/v1/stations/{hidden.pk}/").status_code == 404
    assert (
        client.post(
            f"/api/v1/stations/{hidden.pk}/commands/", {"command": "reset", "kind": "on_idle"}
        ).status_code
        == 404
    )
    assert client.put(f"/api/v1/stations/{hidden.pk}/", {"nonsense": 1}).status_code == 404
    assert client.put(f"/api/v1/sites/{site.pk}/", {}).status_code == 404
    assert client.post("/api/v1/sites/", {"name": "A", "time_zone": "UTC"}).status_code == 403


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_address_that_lacks_its_last_slash_goes_on_to_it_by_the_same_method(
    api: APIClient, method: str
) -> None:
    answer = getattr(api, method)("/api/v1/commands?limit=1")
    nowhere = getattr(api, method)("/api/v1/nothing")

    assert (answer.status_code, answer["Location"]) == (308, "/api/v1/commands/?limit=1")
    assert (nowhere.status_code, nowhere["Content-Type"]) == (404, "application/problem+json")
    assert APIClient().post("/api/v1/commands").status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("groups", {"name": "Fleet"}, {"name": "Night fleet"}),
        ("quirks", {"vendor": "Amperix", "reason": "Slow"}, {"reason": "Noisy"}),
        ("webhooks", {"url": "https://93.184.216.34/hook"}, {"name": "Warehouse"}),
    ],
)
def test_if_match_loses_a_race_on_every_resource_that_can_be_changed(
    api: APIClient, path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    made = api.post(f"/api/v1/{path}/", body).json()
    address = f"/api/v1/{path}/{made['id']}/"
    read = api.get(address)["ETag"]
    first = api.patch(address, change, headers={"If-Match": read})
    second = api.patch(address, {next(iter(change)): "Lost"}, headers={"If-Match": read})
    wrong = api.patch(address, {"nonsense": 1}, headers={"If-Match": read})

    assert [first.status_code, second.status_code, wrong.status_code] == [200, 412, 400]
    assert first["ETag"] == api.get(address)["ETag"] != read
    assert api.get(address).json() | change == api.get(address).json()


def test_unknown_fields_are_refused_and_named(api: APIClient) -> None:
    answer = api.post("/api/v1/sites/", {"name": "A", "time_zone": "UTC", "organization": "x"})

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"pointer": "/organization", "code": "invalid", "detail": "There is no such field."}
    ]


def test_an_error_tells_its_request_id(api: APIClient) -> None:
    answer = api.get(
        "/api/v1/stations/00000000-0000-7000-8000-000000000000/", headers={"X-Request-Id": "call-4711-abc"}
    )

    assert answer.status_code == 404
    assert answer["X-Request-Id"] == "call-4711-abc"
    assert answer.json()["request_id"] == "call-4711-abc"


def test_too_many_requests_are_429_with_retry_after(api: APIClient, settings: Any) -> None:
    settings.API_RATE_PER_SECOND, settings.API_RATE_BURST = 0.01, 2

    answers = [api.get("/api/v1/sites/") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1]["Retry-After"]) >= 1


@pytest.mark.parametrize("form", ["", "?format=json", "?format=yaml"])
def test_l16_the_description_counts_like_everything_else(api: APIClient, settings: Any, form: str) -> None:
    settings.API_RATE_PER_SECOND, settings.API_RATE_BURST = 0.01, 3

    answers = [api.get(path) for path in ("/api/v1/sites/", *[f"/api/v1/schema/{form}"] * 3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer["RateLimit"] for answer in answers] == [f'"key";r={left};t=1' for left in (2, 1, 0, 0)]
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert orjson.loads(answers[-1].content)["title"] == "Too many requests"
    assert int(answers[-1]["Retry-After"]) >= 1


def test_l16_who_is_signed_in_reads_the_description_by_the_same_measure(db: None, settings: Any) -> None:
    settings.API_RATE_PER_SECOND, settings.API_RATE_BURST = 0.01, 1
    browser = APIClient()
    browser.force_login(factories.make_member(factories.make_organization(demo=True)).user)

    assert [browser.get("/api/v1/schema/").status_code for _ in range(2)] == [200, 429]


def test_l16_all_processes_together_let_no_more_pass(settings: Any) -> None:
    settings.API_RATE_PER_SECOND, settings.API_RATE_BURST = 0.01, 4
    caller, processes = factories.unique("key"), [Buckets(), Buckets(), Buckets()]

    turns = [process.take(caller) for process in processes * 2]

    assert [turn.allowed for turn in turns] == [True] * 4 + [False] * 2
    assert [turn.remaining for turn in turns] == [3, 2, 1, 0, 0, 0]
    assert 0 < turns[-1].wait_s <= 100
    assert Buckets().take(factories.unique("key")).allowed


def test_l16_without_valkey_each_process_counts_for_itself(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_RATE_PER_SECOND, settings.API_RATE_BURST = 0.01, 2
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(ratelimit, "valkey", Outage("valkey"))
    ratelimit._script.cache_clear()
    try:
        turns = [Buckets().take("key") for _ in range(2)] + [buckets.take("alone") for _ in range(3)]
    finally:
        ratelimit._script.cache_clear()

    assert [turn.allowed for turn in turns] == [True, True, True, True, False]


def test_the_same_idempotency_key_gives_one_effect_and_the_first_answer(
    api: APIClient, organization: Organization
) -> None:
    body = {"identity": factories.unique("CP")}
    first = api.post("/api/v1/stations/", body, headers={"Idempotency-Key": "k1"})
    again = api.post("/api/v1/stations/", body, headers={"Idempotency-Key": "k1"})
    other = api.post("/api/v1/stations/", {"identity": "OTHER"}, headers={"Idempotency-Key": "k1"})

    assert first.status_code == again.status_code == 201
    assert again.json()["id"] == first.json()["id"]
    assert "password" in first.json()
    assert "password" not in again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert other.status_code == 409
    assert ChargingStation.objects.filter(organization=organization).count() == 1


def test_the_same_table_asked_for_otherwise_is_another_request(api: APIClient) -> None:
    table, key = b"value,type\nA1,Central\n", {"Idempotency-Key": "k1"}
    ask = partial(api.post, data=table, content_type="text/csv", headers=key)
    trial = ask("/api/v1/tokens/import/?dry_run=true")
    meant = ask("/api/v1/tokens/import/")

    assert (trial.status_code, meant.status_code) == (200, 409)
    assert not IdToken.objects.exists()


def test_a_key_whose_first_request_failed_meanwhile_is_free_for_the_second(
    api: APIClient, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"identity": factories.unique("CP")}
    claim, failed = idempotency._claim, []

    def gone_meanwhile(*given: Any) -> Any:
        if not failed:
            failed.append(True)
            raise IdempotentAnswer.DoesNotExist
        return claim(*given)

    monkeypatch.setattr(idempotency, "_claim", gone_meanwhile)

    assert api.post("/api/v1/stations/", body, headers={"Idempotency-Key": "k1"}).status_code == 201
    assert ChargingStation.objects.filter(organization=organization).count() == 1


def test_what_was_done_and_its_answer_are_stored_together_or_not_at_all(
    api: APIClient, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, key = {"identity": factories.unique("CP")}, {"Idempotency-Key": "k1"}
    with monkeypatch.context() as patched:
        patched.setattr(idempotency, "_keep", lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            api.post("/api/v1/stations/", body, headers=key)

    assert not ChargingStation.objects.filter(organization=organization).exists()
    assert api.post("/api/v1/stations/", body, headers=key).status_code == 201
    assert ChargingStation.objects.filter(organization=organization).count() == 1


def test_the_key_of_a_process_that_was_killed_is_free_again_after_two_minutes(
    api: APIClient, organization: Organization
) -> None:
    body, key = {"identity": factories.unique("CP")}, {"Idempotency-Key": "k1"}
    assert api.post("/api/v1/stations/", body, headers=key).status_code == 201
    ChargingStation.objects.filter(organization=organization).delete()
    left = IdempotentAnswer.objects.filter(organization=organization)
    left.update(status=None, created_at=clock.now() - timedelta(seconds=110))

    waiting = api.post("/api/v1/stations/", body, headers=key)
    assert (waiting.status_code, "still at work" in waiting.json()["detail"]) == (409, True)
    assert not ChargingStation.objects.filter(organization=organization).exists()
    left.update(created_at=clock.now() - timedelta(seconds=130))
    assert api.post("/api/v1/stations/", body, headers=key).status_code == 201
    assert ChargingStation.objects.filter(organization=organization).count() == 1


def test_a_list_is_paged_by_cursor_and_its_limit_is_checked(api: APIClient) -> None:
    for number in range(5):
        api.post("/api/v1/sites/", {"name": f"Site {number}", "time_zone": "UTC"})

    first = api.get("/api/v1/sites/?limit=2&ordering=name").json()
    second = api.get(first["next"]).json()

    assert [row["name"] for row in first["results"]] == ["Site 0", "Site 1"]
    assert [row["name"] for row in second["results"]] == ["Site 2", "Site 3"]
    assert api.get(second["previous"]).json()["results"] == first["results"]
    assert api.get("/api/v1/sites/?limit=0").status_code == 400
    assert api.get("/api/v1/sites/?limit=501").status_code == 400
    assert api.get("/api/v1/sites/?ordering=secret").status_code == 400


def test_a_list_comes_as_csv_whose_cells_are_no_formulas(api: APIClient) -> None:
    api.post("/api/v1/sites/", {"name": "=1+1", "time_zone": "UTC", "latitude": "-33.5"})

    answer = api.get("/api/v1/sites/", headers={"Accept": "text/csv"})
    text = b"".join(answer.streaming_content).decode()

    assert answer["Content-Type"].startswith("text/csv")
    assert "'=1+1" in text


def test_the_schema_and_its_page_need_a_key_or_a_sign_in(api: APIClient, db: None) -> None:
    schema = api.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})

    assert APIClient().get("/api/v1/schema/").status_code == 401
    assert schema.status_code == 200
    assert schema.json()["openapi"].startswith("3.1")
    assert "/api/v1/stations/{id}/commands/" in schema.json()["paths"]
    assert api.get("/api/docs/").status_code == 200


def test_a_browser_without_a_second_factor_gets_nothing(organization: Organization) -> None:
    member = factories.make_member(organization)
    client = APIClient()
    client.force_login(member.user)

    refused = client.get("/api/v1/stations/")
    Organization.objects.filter(pk=organization.pk).update(demo=True)

    assert refused.status_code == 403
    assert "second factor" in refused.json()["detail"]
    assert client.get("/api/v1/stations/").status_code == 200


def test_a_browser_that_was_idle_too_long_is_signed_out(organization: Organization) -> None:
    Organization.objects.filter(pk=organization.pk).update(demo=True)
    client = APIClient()
    client.force_login(factories.make_member(organization).user)
    session = client.session
    session[SEEN] = (clock.now() - IDLE_LIMIT - timedelta(seconds=1)).timestamp()
    session.save()

    assert client.get("/api/v1/stations/").status_code == 401


def test_answers_are_kept_by_no_cache_and_tell_the_limits(api: APIClient) -> None:
    answer = api.get("/api/v1/sites/")

    assert answer["Cache-Control"] == "no-store"
    assert answer["RateLimit-Policy"].startswith('"key";q=')


@pytest.mark.parametrize("path", ["/api/v1/tools/price/", "/api/v1/tools/verify-ocmf/"])
def test_the_tools_keep_their_first_answer_too(api: APIClient, path: str) -> None:
    body, key = _example_of(path), {"Idempotency-Key": "k1"}
    first = api.post(path, body, format="json", headers=key)
    again = api.post(path, body, format="json", headers=key)
    other = api.post(path, {**body, "more": 1}, format="json", headers=key)

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"


def _example_of(path: str) -> dict[str, Any]:
    return dict({"/api/v1/tools/price/": pricing.EXAMPLE, "/api/v1/tools/verify-ocmf/": ocmf.EXAMPLE}[path])
