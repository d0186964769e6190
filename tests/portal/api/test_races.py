"""Two changes at the same time with the same ``If-Match``: one is made, the other is told so (412)."""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError
from typing import Any

import psycopg
import pytest
from django.db import connection

from core.access import Actor
from core.models import Organization
from portal.api import resource
from tests import factories
from tests.portal.api.conftest import client_with
from tests.portal.api.test_tariffs import BODY

PATIENCE_S = 1.0


@pytest.fixture
def owner(committed: None) -> Iterator[Actor]:
    yield factories.make_actor(factories.make_organization())
    connection.close()


def made(api: Any, kind: str) -> str:
    bodies: dict[str, Any] = {
        "stations": {"identity": factories.unique("CP")},
        "sites": {"name": factories.unique("Site"), "time_zone": "UTC"},
        "tariffs": BODY,
        "groups": {"name": factories.unique("Group")},
        "webhooks": {"url": "https://93.184.216.34/hook"},
    }
    answer = api.post(f"/api/v1/{kind}/", bodies[kind], format="json")
    assert answer.status_code == 201, answer.content
    return f"/api/v1/{kind}/{answer.json()['id']}/"


CASES = [
    ("stations", [{"name": "First"}, {"name": "Second"}]),
    ("sites", [{"name": "First"}, {"name": "Second"}]),
    ("tariffs", [{"min_price": {"excl_vat": 1}}, {"max_price": {"excl_vat": 9}}]),
    ("groups", [{"name": "First"}, {"name": "Second"}]),
    ("webhooks", [{"name": "First"}, {"name": "Second"}]),
]


@pytest.mark.parametrize(("kind", "changes"), CASES, ids=[case[0] for case in CASES])
def test_of_two_changes_with_the_same_tag_one_is_made(
    owner: Actor, monkeypatch: pytest.MonkeyPatch, kind: str, changes: list[dict[str, Any]]
) -> None:
    secret = factories.make_key(Organization.objects.get(pk=owner.organization_id))
    path = made(client_with(secret), kind)
    tag = client_with(secret).get(path)["ETag"]
    together, matched = Barrier(2), resource.require_tag

    def meets_the_other(*given: Any) -> None:
        matched(*given)
        with contextlib.suppress(BrokenBarrierError):
            together.wait(PATIENCE_S)

    monkeypatch.setattr(resource, "require_tag", meets_the_other)

    def change(body: dict[str, Any]) -> int:
        try:
            answer = client_with(secret).patch(path, body, format="json", headers={"If-Match": tag})
            return int(answer.status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as both:
        statuses = sorted(both.map(change, changes))

    assert statuses == [200, 412]


def test_a_change_that_waits_too_long_for_another_is_told_to_come_again(owner: Actor, settings: Any) -> None:
    settings.LOCK_TIMEOUT_S = 0.2
    secret = factories.make_key(Organization.objects.get(pk=owner.organization_id))
    path = made(client_with(secret), "groups")
    with psycopg.connect(os.environ["DATABASE_URL"]) as other:
        key = f"{owner.organization_id}:{path}"
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
        busy = client_with(secret).patch(path, {"name": "Late"}, format="json")
    free = client_with(secret).patch(path, {"name": "In time"}, format="json")

    assert (busy.status_code, free.status_code) == (503, 200)
    assert busy["Retry-After"]
