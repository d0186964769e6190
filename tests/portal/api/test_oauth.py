"""OAuth2 clients: an access token for id and secret, with some of the scopes, for an hour (api.md, Ways in)."""

import base64
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from rest_framework.test import APIClient

from core import clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AccessToken, ApiKey, AuditEntry, Organization
from core.services import access_tokens, keys
from stations.services import access, sites
from tests import factories
from tests.portal.api.conftest import client_with, results

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def partner(organization: Organization, alice: Actor) -> tuple[ApiKey, str]:
    return keys.create(
        organization, name="Partner", scopes=["stations:read", "sites:read"], by=alice, kind="client"
    )


def ask(key: ApiKey, secret: str, **more: str) -> Any:
    values = {"grant_type": "client_credentials", "client_id": key.client_id, "client_secret": secret, **more}
    body = "&".join(f"{name}={value}" for name, value in values.items() if value)
    return Client().post("/oauth/token/", body, content_type=FORM)


def bought(key: ApiKey, secret: str, **more: str) -> APIClient:
    answer = ask(key, secret, **more)
    assert answer.status_code == 200, answer.content
    return client_with(answer.json()["access_token"])


def test_a_client_buys_a_token_by_form_or_basic_and_reads_with_it(
    partner: tuple[ApiKey, str], alice: Actor
) -> None:
    factories.make_station(alice)
    by_form = ask(*partner)
    pair = base64.b64encode(f"{partner[0].client_id}:{partner[1]}".encode()).decode()
    by_basic = Client().post(
        "/oauth/token/",
        "grant_type=client_credentials",
        content_type=FORM,
        headers={"Authorization": f"Basic {pair}"},
    )

    for answer in (by_form, by_basic):
        body = answer.json()
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert (body["token_type"], body["scope"]) == ("Bearer", "sites:read stations:read")
        assert 3590 <= body["expires_in"] <= 3600
        assert len(results(client_with(body["access_token"]).get("/api/v1/stations/"))) == 1
    partner[0].refresh_from_db()
    assert partner[0].last_used_at is not None
    stored = AccessToken.objects.get(digest=access_tokens.crypto.digest(by_form.json()["access_token"]))
    assert stored.key_id == partner[0].pk


def test_a_token_of_one_scope_does_not_reach_what_the_client_may(partner: tuple[ApiKey, str]) -> None:
    token = bought(*partner, scope="sites:read")

    assert token.get("/api/v1/sites/").status_code == 200
    assert token.get("/api/v1/stations/").status_code == 403
    assert token.post("/api/v1/sites/", {"name": "N", "time_zone": "UTC"}).status_code == 403


@pytest.mark.parametrize("scope", ["tokens:read", "sites:write", "nothing:read", "*"])
def test_a_scope_beyond_the_clients_own_is_refused(partner: tuple[ApiKey, str], scope: str) -> None:
    answer = ask(*partner, scope=f"sites:read+{scope}")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert scope in answer.json()["error_description"]
    assert not AccessToken.objects.exists()


def test_a_client_limited_to_a_site_buys_tokens_that_are(partner: tuple[ApiKey, str], alice: Actor) -> None:
    north = sites.create({"name": "North", "time_zone": "UTC"}, by=alice)
    sites.create({"name": "South", "time_zone": "UTC"}, by=alice)
    access.limit_key(partner[0], ["North"], by=alice)

    seen = results(bought(*partner).get("/api/v1/sites/"))

    assert [site["id"] for site in seen] == [str(north.pk)]


def test_a_token_ends_after_an_hour_and_with_its_client(partner: tuple[ApiKey, str], alice: Actor) -> None:
    token = bought(*partner)
    with time_machine.travel(clock.now() + timedelta(minutes=61), tick=False):
        late = token.get("/api/v1/sites/")
        assert late.status_code == 401
        assert "Get a new one at /oauth/token/" in late.json()["detail"]
        assert access_tokens.forget() == 1

    token = bought(*partner)
    keys.revoke(partner[0], by=alice)
    refused = ask(*partner)

    assert token.get("/api/v1/sites/").status_code == 401
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused["WWW-Authenticate"].startswith("Basic")


def test_a_token_works_only_from_the_clients_networks(organization: Organization, alice: Actor) -> None:
    key, secret = keys.create(
        organization, name="P", scopes=["sites:read"], by=alice, kind="client", networks=["192.0.2.0/24"]
    )

    assert ask(key, secret).status_code == 401
    _, token = access_tokens.issue(key)
    assert client_with(token).get("/api/v1/sites/").status_code == 401
    assert client_with(token).get("/api/v1/sites/", REMOTE_ADDR="192.0.2.7").status_code == 200


def test_a_clients_secret_is_no_key_and_a_key_buys_no_token(
    partner: tuple[ApiKey, str], organization: Organization, alice: Actor
) -> None:
    key, secret = keys.create(organization, name="Key", scopes=["sites:read"], by=alice)

    assert client_with(partner[1]).get("/api/v1/sites/").status_code == 401
    assert ask(key, secret).status_code == 401
    assert client_with(secret).get("/api/v1/sites/").status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "cy_AbCdEfGh_" + "x" * 43}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "cy_somebody"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"scope": "sites:read&scope=stations:read"}, 400, "invalid_request"),
    ],
)
def test_a_wrong_request_for_a_token_is_told_why(
    partner: tuple[ApiKey, str], change: dict[str, str], status: int, error: str
) -> None:
    answer = ask(*partner, **change)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert not AccessToken.objects.exists()


def test_json_a_query_and_garbage_are_refused(partner: tuple[ApiKey, str]) -> None:
    post = Client().post
    assert post("/oauth/token/", {"grant_type": "x"}, content_type="application/json").status_code == 400
    assert post("/oauth/token/?client_secret=x", "a=b", content_type=FORM).status_code == 400
    for header in ("Basic !!", "Basic /w==", "Bearer x"):
        answer = post("/oauth/token/", "a=b", content_type=FORM, headers={"Authorization": header})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert Client().get("/oauth/token/").status_code == 405


def test_two_secrets_work_side_by_side_after_a_rotation_and_then_one(
    partner: tuple[ApiKey, str], alice: Actor
) -> None:
    key, first = partner
    second = keys.rotate(key, by=alice, overlap=timedelta(hours=24))
    key.refresh_from_db()

    assert ask(key, first).status_code == ask(key, second).status_code == 200
    third = keys.rotate(key, by=alice, overlap=timedelta(hours=1))
    assert [ask(key, secret).status_code for secret in (first, second, third)] == [401, 200, 200]
    with time_machine.travel(clock.now() + timedelta(minutes=61), tick=False):
        assert [ask(key, secret).status_code for secret in (second, third)] == [401, 200]
    assert AuditEntry.objects.filter(action="api_key.rotated").count() == 2


def test_a_key_rotates_the_same_way(organization: Organization, alice: Actor) -> None:
    key, first = keys.create(organization, name="Key", scopes=["sites:read"], by=alice)
    second = keys.rotate(key, by=alice, overlap=timedelta(0))

    assert client_with(first).get("/api/v1/sites/").status_code == 401
    assert client_with(second).get("/api/v1/sites/").status_code == 200


def test_strangers_and_those_without_the_right_rotate_nothing(
    partner: tuple[ApiKey, str], alice: Actor, bob: Actor, charlie: Actor
) -> None:
    key = partner[0]
    digest = bytes(key.digest)
    with pytest.raises(NotPermitted):
        keys.rotate(key, by=bob)
    with pytest.raises(NotFound):
        keys.rotate(key, by=charlie)
    with pytest.raises(Invalid):
        keys.rotate(key, by=alice, overlap=timedelta(days=91))
    keys.revoke(key, by=alice)
    with pytest.raises(Conflict):
        keys.rotate(key, by=alice)

    key.refresh_from_db()
    assert bytes(key.digest) == digest
    assert not bob.can(Permission.ORG_API)


def test_a_body_that_is_too_large_is_413_in_the_words_of_the_endpoint(db: None, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answer = Client().post("/oauth/token/", f"grant_type={'x' * 200}", content_type=FORM)

    assert answer.status_code == 413
    assert answer.json()["error"] == "invalid_request"


def test_attempts_from_one_address_are_limited(partner: tuple[ApiKey, str], settings: Any) -> None:
    settings.API_RATE_PER_SECOND, settings.API_RATE_BURST = 0.1, 3
    headers = {"REMOTE_ADDR": "198.51.100.9"}
    answers = [Client().post("/oauth/token/", "a=b", content_type=FORM, **headers) for _ in range(5)]

    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) >= 1
