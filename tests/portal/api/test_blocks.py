"""Blocks with a reason and an end by REST: written, read, put back, found, and over by themselves."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.services import outbox
from drivers.models import IdToken
from tests import factories
from tests.portal.api.conftest import results

END = "2099-07-01T10:00:00Z"
BLOCK = {"status": "blocked", "blocked_reason": "Loud", "blocked_until": END}
PATHS = ["/api/v1/tokens/", "/api/v1/drivers/"]


@pytest.fixture(params=PATHS)
def url(request: Any, alice: Actor) -> str:
    holder = factories.make_token(alice) if "tokens" in request.param else factories.make_driver(alice)
    return f"{request.param}{holder.pk}/"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def collection(url: str) -> str:
    return url.rsplit("/", 2)[0] + "/"


def test_a_block_is_written_read_and_over_at_its_end(api: APIClient, url: str) -> None:
    plain = api.get(url).json()
    shown = api.patch(url, BLOCK, format="json").json()
    with time_machine.travel(_instant(END)):
        over = api.get(url).json()

    assert {name: shown[name] for name in BLOCK} == BLOCK
    assert over == plain


def test_a_block_that_was_read_is_put_back_as_it_was(api: APIClient, url: str) -> None:
    shown = api.patch(url, BLOCK, format="json").json()

    assert api.put(url, shown, format="json").json() == shown


def test_what_was_read_after_the_end_is_put_back_and_blocks_nothing(api: APIClient, url: str) -> None:
    api.patch(url, BLOCK, format="json")
    with time_machine.travel(_instant(END)):
        shown = api.get(url).json()
        again = api.put(url, shown, format="json").json()

    assert again == shown
    assert again["status"] in ("accepted", "active")
    assert api.get(url).json() == shown


def test_a_new_block_after_one_that_is_over_has_no_end(api: APIClient, url: str) -> None:
    api.patch(url, BLOCK, format="json")
    with time_machine.travel(_instant(END)):
        shown = api.patch(url, {"status": "blocked"}, format="json").json()

    assert (shown["status"], shown["blocked_until"], shown["blocked_reason"]) == ("blocked", None, "")


def test_unblocking_forgets_reason_and_end(api: APIClient, url: str) -> None:
    plain = api.get(url).json()
    api.patch(url, BLOCK, format="json")

    assert api.patch(url, {"status": plain["status"]}, format="json").json() == plain


def test_an_end_in_the_past_is_refused_and_nothing_is_blocked(api: APIClient, url: str) -> None:
    past = clock.to_wire(clock.now() - timedelta(seconds=1))
    answer = api.patch(url, {**BLOCK, "blocked_until": past}, format="json")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/blocked_until"
    assert api.get(url).json()["status"] in ("accepted", "active")


def test_rows_are_found_by_the_status_of_this_moment(api: APIClient, url: str) -> None:
    free = api.get(url).json()["status"]
    api.patch(url, BLOCK, format="json")

    def found(status: str) -> list[str]:
        return [one["id"] for one in results(api.get(f"{collection(url)}?status={status}"))]

    pk = url.rsplit("/", 2)[1]
    assert (found("blocked"), found(free)) == ([pk], [])
    with time_machine.travel(_instant(END)):
        assert (found("blocked"), found(free)) == ([], [pk])


def test_a_table_of_tokens_with_a_block_is_taken_back(api: APIClient, alice: Actor) -> None:
    token = factories.make_token(alice, "04AA")
    api.patch(f"/api/v1/tokens/{token.pk}/", BLOCK, format="json")
    table = b"".join(api.get("/api/v1/tokens/", HTTP_ACCEPT="text/csv").streaming_content)
    answer = api.post("/api/v1/tokens/import/?known=update", table, content_type="text/csv")
    kept = IdToken.objects.get(pk=token.pk)

    assert answer.json()["updated"] == 1
    assert (kept.status, kept.blocked_reason, kept.blocked_until) == ("blocked", "Loud", _instant(END))


def test_strangers_block_nothing(stranger: APIClient, api: APIClient, url: str) -> None:
    assert stranger.patch(url, BLOCK, format="json").status_code == 404
    assert api.get(url).json()["blocked_until"] is None


def test_the_event_of_a_block_tells_its_end(api: APIClient, url: str) -> None:
    api.patch(url, BLOCK, format="json")
    outbox.relay(patiently=True)
    kind = "token.changed" if "tokens" in url else "driver.changed"
    told = [one["data"] for one in results(api.get("/api/v1/events/", HTTP_ACCEPT="application/json"))
            if one["type"] == kind]  # fmt: skip

    assert [(one["status"], _instant(one["blocked_until"])) for one in told] == [("blocked", _instant(END))]
