"""``Idempotency-Key``: every POST keeps its first answer for 24 hours, refusals too (spec of the API, Manners)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.errors import Busy, NotPermitted, Passing, TooMany
from core.models import AuditEntry, Organization, Webhook
from core.services import webhooks
from drivers.models import Driver
from portal.models import IdempotentAnswer
from stations.domain import intents
from stations.models import ChargingStation, Command, Site
from stations.services import access, bulk_commands, sites
from tests import factories
from tests.portal.api.conftest import client_with
from tests.portal.api.test_bad_input import problem
from tests.portal.api.test_driver_privacy import unpacked
from tests.portal.walking import furnish, routes

SITES = "/api/v1/sites/"
KEY = {"Idempotency-Key": "one"}
NAMELESS = {"time_zone": "UTC"}
NAMED = {"name": "Yard", "time_zone": "UTC"}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Making a site fails in that way, once."""
    create = sites.create

    def fail(error: Exception) -> None:
        left = [error]

        def work(*given: Any, **told: Any) -> Site:
            if left:
                raise left.pop()
            return create(*given, **told)

        monkeypatch.setattr(sites, "create", work)

    return fail


def test_a_refusal_is_replayed_as_it_was(api: APIClient) -> None:
    first = api.post(SITES, NAMELESS, headers=KEY)
    again = api.post(SITES, NAMELESS, headers=KEY)

    assert problem(first, 400)["errors"][0]["pointer"] == "/name"
    assert again.json() == first.json()
    assert again["Content-Type"] == first["Content-Type"] == "application/problem+json"
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first


def test_a_refused_body_is_mended_under_a_new_key(api: APIClient, organization: Organization) -> None:
    api.post(SITES, NAMELESS, headers=KEY)
    mended = api.post(SITES, NAMED, headers=KEY)

    assert "another body" in problem(mended, 409)["detail"]
    assert not Site.objects.filter(organization=organization).exists()
    assert api.post(SITES, NAMED, headers={"Idempotency-Key": "two"}).status_code == 201
    assert problem(api.post(SITES, NAMELESS, headers=KEY), 400)["code"] == "invalid"


def test_a_conflict_is_replayed_after_its_cause_is_gone(
    api: APIClient, organization: Organization, alice: Actor
) -> None:
    station, _ = factories.make_station(alice)
    url, body = f"/api/v1/stations/{station.pk}/commands/", {"command": "clear_cache", "if_offline": "wait"}
    ChargingStation.objects.filter(pk=station.pk).update(enabled=False)
    refused = api.post(url, body, headers=KEY)
    ChargingStation.objects.filter(pk=station.pk).update(enabled=True)
    again = api.post(url, body, headers=KEY)

    assert problem(refused, 409)["detail"] == problem(again, 409)["detail"]
    assert not Command.objects.filter(station=station).exists()
    assert api.post(url, body, headers={"Idempotency-Key": "two"}).status_code == 202


def test_who_waits_as_told_gets_through_under_the_same_key(
    api: APIClient, alice: Actor, settings: Any
) -> None:
    settings.SECOND_PERSON_ABOVE = 1
    first, second = (factories.make_station(alice)[0] for _ in range(2))
    body = {"command": "reset", "kind": "on_idle", "if_offline": "wait"}
    api.post(f"/api/v1/stations/{first.pk}/commands/", body)
    url = f"/api/v1/stations/{second.pk}/commands/"
    refused = api.post(url, body, headers=KEY)

    assert "or wait" in problem(refused, 409)["detail"]
    assert refused["Retry-After"] == "600"
    assert not IdempotentAnswer.objects.filter(route=url).exists()
    with time_machine.travel(clock.now() + timedelta(seconds=int(refused["Retry-After"]) + 1)):
        assert api.post(url, body, headers=KEY).status_code == 202
        again = api.post(url, body, headers=KEY)
    assert again["Idempotent-Replayed"] == "true"
    assert Command.objects.filter(station=second).count() == 1


def test_a_full_queue_is_no_answer_to_keep(api: APIClient, alice: Actor, settings: Any) -> None:
    settings.OCPP_COMMAND_QUEUE_MAX = 1
    station, _ = factories.make_station(alice)
    url, body = f"/api/v1/stations/{station.pk}/commands/", {"command": "clear_cache", "if_offline": "wait"}
    waiting = api.post(url, body).json()["id"]
    refused = api.post(url, body, headers=KEY)
    api.delete(f"/api/v1/commands/{waiting}/")

    assert "waiting for this station" in problem(refused, 409)["detail"]
    assert int(refused["Retry-After"]) > 0
    assert api.post(url, body, headers=KEY).status_code == 202


def test_a_refusal_is_forgotten_after_a_day(api: APIClient) -> None:
    refused = api.post(SITES, NAMELESS, headers=KEY)
    with time_machine.travel(clock.now() + timedelta(hours=23, minutes=59)):
        assert api.post(SITES, NAMELESS, headers=KEY).json() == refused.json()
    with time_machine.travel(clock.now() + timedelta(hours=24, minutes=1)):
        assert api.post(SITES, NAMED, headers=KEY).status_code == 201


@pytest.mark.parametrize(
    ("error", "status"), [(TooMany(), 429), (Passing("Wait."), 409), (Busy(), 503), (RuntimeError("x"), 500)]
)
def test_what_may_be_tried_again_leaves_the_key_free(
    api: APIClient, failing: Callable[[Exception], None], error: Exception, status: int
) -> None:
    failing(error)
    api.raise_request_exception = False

    assert api.post(SITES, NAMED, headers=KEY).status_code == status
    made = api.post(SITES, NAMED, headers=KEY)
    assert made.status_code == 201
    assert "Idempotent-Replayed" not in made


def test_who_does_not_get_in_takes_no_key(
    api: APIClient, api_with: Callable[..., APIClient], organization: Organization
) -> None:
    unknown = APIClient().post(SITES, NAMED, headers=KEY)
    reader = api_with("sites:read").post(SITES, NAMED, headers=KEY)

    assert (unknown.status_code, reader.status_code) == (401, 403)
    assert not IdempotentAnswer.objects.filter(organization=organization).exists()
    assert api.post(SITES, NAMED, headers=KEY).status_code == 201


@pytest.mark.parametrize("body", [NAMELESS, NAMED])
def test_the_key_of_a_stranger_is_another_key(
    api: APIClient, stranger: APIClient, body: dict[str, str]
) -> None:
    first = stranger.post(SITES, body, headers=KEY)
    mine = api.post(SITES, NAMED, headers=KEY)

    assert (mine.status_code, "Idempotent-Replayed" in mine) == (201, False)
    assert stranger.post(SITES, body, headers=KEY).json() == first.json()


def test_what_one_client_is_refused_is_not_told_to_another(
    api: APIClient, organization: Organization, failing: Callable[[Exception], None]
) -> None:
    failing(NotPermitted("Not you."))
    colleague = client_with(factories.make_key(organization))
    refused = colleague.post(SITES, NAMED, headers=KEY)
    made = api.post(SITES, NAMED, headers=KEY)

    assert (refused.status_code, made.status_code) == (403, 201)
    assert colleague.post(SITES, NAMED, headers=KEY).json()["id"] == made.json()["id"]
    assert Site.objects.filter(organization=organization).count() == 1


def test_the_first_request_at_work_is_no_answer_to_keep(api: APIClient, organization: Organization) -> None:
    """A second one is told to come again, and the first one's answer stands."""
    api.post(SITES, NAMED, headers=KEY)
    first = IdempotentAnswer.objects.filter(organization=organization)
    status = first.get().status
    first.update(status=None)
    waiting = api.post(SITES, NAMED, headers=KEY)
    first.update(status=status)

    assert "still at work" in problem(waiting, 409)["detail"]
    assert api.post(SITES, NAMED, headers=KEY).status_code == 201


# -- every POST ------------------------------------------------------------------------------------------------


def test_every_post_looks_at_the_key(organization: Organization) -> None:
    """A key that is none is refused by each of them, before anything is done."""
    alice = factories.make_member(organization)
    actor = access.actor_of_member(alice)
    things = furnish(organization, alice, actor)
    tried = webhooks.test(Webhook.objects.get(pk=things["webhooks"]), by=actor)
    stations = list(ChargingStation.objects.filter(pk=things["stations"]))
    wish = bulk_commands.issue(stations, intents.ClearCache(), by=actor)
    known = {"api/v1/commands/<uuid:pk>/approve/": f"/api/v1/commands/{wish.pk}/approve/"}
    known["api/v1/webhooks/<uuid:pk>/deliveries/<int:number>/redeliver/"] = (
        f"/api/v1/webhooks/{tried.webhook_id}/deliveries/{tried.event_id}/redeliver/"
    )
    client = Client(headers={"Authorization": f"Bearer {factories.make_key(organization)}"})
    asked, heedless = 0, []
    for route in routes(things):
        view = getattr(route.view, "cls", None)
        if route.is_api and hasattr(view, "post"):
            path = known.get(route.pattern, route.path)
            answer = client.post(path, b"{}", "application/json", headers={"Idempotency-Key": "x" * 300})
            asked += 1
            told = answer.json().get("errors", []) if answer.status_code == 400 else []
            if [one["pointer"] for one in told] != ["/Idempotency-Key"]:
                heedless.append(f"{answer.status_code} {route.pattern}")

    assert asked > 60
    assert heedless == []


@pytest.fixture
def frida(alice: Actor) -> Driver:
    return factories.make_driver(alice, "Frida Abend")


def test_an_export_is_made_again_for_its_key_and_never_for_another_body(
    api: APIClient, frida: Driver
) -> None:
    url = f"/api/v1/drivers/{frida.pk}/export/"
    first = api.post(url, headers=KEY)
    again = api.post(url, headers=KEY)
    other = api.post(url, {"more": 1}, headers=KEY)

    assert set(unpacked(again)) == set(unpacked(first))
    assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
    assert "another body" in problem(other, 409)["detail"]
    assert IdempotentAnswer.objects.get(organization=frida.organization).answer is None
    assert AuditEntry.objects.filter(action="driver.exported", object_id=str(frida.pk)).count() == 2
