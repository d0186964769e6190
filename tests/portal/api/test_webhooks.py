"""Webhooks from outside: signed, tried again, never doubled, and only where they may go (W-17, W-26, F-25)."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
import time_machine
from django.core import mail
from rest_framework.test import APIClient
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from core import clock, egress, keys
from core.access import Actor
from core.models import ApiKey, AuditEntry, Delivery, Event, Organization, OutboxRow, Webhook
from core.services import deliveries, mails, outbox
from portal import tasks
from stations.services import access, sites
from tests import factories
from tests.portal.api.conftest import results
from tests.receiving import Receiver, receiver

PUBLIC = "https://93.184.216.34/hook"


@pytest.fixture
def target(settings: Any) -> Iterator[Receiver]:
    with receiver() as ledger:
        settings.EGRESS_ALLOW = ledger.allowed
        yield ledger


@pytest.fixture
def hook(api: APIClient, target: Receiver) -> dict[str, Any]:
    answer = api.post("/api/v1/webhooks/", {"url": target.url, "types": ["station.created"]})
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def happen(alice: Actor, number: int = 1) -> None:
    """So many stations are made, each of which is an event."""
    for _ in range(number):
        factories.make_station(alice)


def work(minutes: float = 0) -> None:
    """The worker's turn, so many minutes from now."""
    if not minutes:
        tasks.send_webhooks()
        return
    with time_machine.travel(clock.now() + timedelta(minutes=minutes), tick=True):
        tasks.send_webhooks()


def path(hook: dict[str, Any], rest: str = "") -> str:
    return f"/api/v1/webhooks/{hook['id']}/{rest}"


def listed(api: APIClient, hook: dict[str, Any]) -> list[dict[str, Any]]:
    return results(api.get(path(hook, "deliveries/")))


def verified(heard: tuple[dict[str, str], bytes], secret: str) -> Any:
    headers, body = heard
    return Verifier(secret).verify(body.decode(), headers)


def test_w26_an_event_arrives_signed_with_its_id(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    happen(alice)
    work()
    event = Event.objects.get(type="station.created", organization_id=alice.home)
    message = verified(target.heard[0], hook["secret"])

    assert set(message) == {"type", "timestamp", "sequence", "data"}
    assert (message["type"], message["sequence"]) == ("station.created", event.pk)
    assert message["timestamp"].endswith("Z")
    assert target.ids() == [str(event.uid)]
    assert len(target.heard) == 1
    [row] = listed(api, hook)
    assert (row["status"], row["tries"], row["event"]) == ("delivered", 1, str(event.uid))


def test_w26_a_changed_body_or_another_secret_does_not_verify(
    alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    happen(alice)
    work()
    headers, body = target.heard[0]
    for wrong in ((headers, body.replace(b"created", b"deleted")), ({**headers, "webhook-id": "x"}, body)):
        with pytest.raises(WebhookVerificationError):
            verified(wrong, hook["secret"])
    with pytest.raises(WebhookVerificationError):
        verified(target.heard[0], "whsec_" + "A" * 43 + "=")


def test_the_secret_is_shown_once_and_sealed_where_it_is_kept(api: APIClient, hook: dict[str, Any]) -> None:
    row = Webhook.objects.get(pk=hook["id"])
    shown = orjson.dumps([api.get(path(hook)).json(), results(api.get("/api/v1/webhooks/"))]).decode()
    kept = [row.sealed_secret, *(str(entry.changes) for entry in AuditEntry.objects.all())]

    assert hook["secret"].startswith("whsec_")
    assert hook["secret"] not in shown
    assert not [text for text in kept if hook["secret"] in text]


def test_a_repeated_request_to_create_makes_one_webhook_and_does_not_tell_the_secret_again(
    api: APIClient,
) -> None:
    key = {"Idempotency-Key": "abc"}
    first, second = (api.post("/api/v1/webhooks/", {"url": PUBLIC}, headers=key) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert "secret" not in second.json()


def test_f25_a_receiver_that_is_down_gets_each_event_later_under_the_same_id(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    target.status = 503
    happen(alice)
    work()
    work(minutes=1)
    [row] = listed(api, hook)
    assert len(results(api.get(path(hook, "deliveries/"), {"search": row["type"].upper()}))) == 1
    assert results(api.get(path(hook, "deliveries/"), {"search": "nothing like it"})) == []
    assert (row["status"], row["tries"]) == ("pending", 2)
    assert api.get(path(hook)).json()["failing_since"] is not None
    target.status = 200
    work(minutes=10)

    assert len(set(target.ids())) == 1
    assert len(target.ids()) == 3
    [row] = listed(api, hook)
    assert (row["status"], row["tries"], row["next_try_at"]) == ("delivered", 3, None)
    assert api.get(path(hook)).json()["failing_since"] is None
    detail = api.get(path(hook, f"deliveries/{row['number']}/")).json()
    assert [one["status_code"] for one in detail["attempts"]] == [503, 503, 200]
    assert [bool(one["failure"]) for one in detail["attempts"]] == [True, True, False]
    assert detail["body"] == target.messages()[0]


def test_f25_nothing_is_tried_before_its_time_and_an_address_that_fails_is_asked_with_one(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    target.status = 500
    happen(alice)
    work()
    work()
    assert len(target.heard) == 1
    happen(alice, 30)
    work(minutes=1)
    assert len(target.heard) == 2
    target.status = 200
    work(minutes=30)

    assert {row["status"] for row in listed(api, hook)} == {"delivered"}
    assert len(set(target.ids())) == 31


def test_f25_after_the_last_try_it_is_given_up_and_shown_and_can_be_sent_again(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    target.status = 500
    happen(alice)
    outbox.relay()
    Delivery.objects.filter(webhook=hook["id"]).update(tries=len(deliveries.BACK_OFF_S))
    work()
    [row] = listed(api, hook)
    assert (row["status"], row["next_try_at"]) == ("failed", None)
    work(minutes=60 * 24)
    assert len(target.heard) == 1
    target.status = 200
    again = api.post(path(hook, f"deliveries/{row['number']}/redeliver/"))
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert api.post(path(hook, f"deliveries/{row['number']}/redeliver/")).status_code == 409
    work(minutes=1)

    assert len(set(target.ids())) == 1
    assert listed(api, hook)[0]["status"] == "delivered"


def test_an_address_that_failed_for_a_day_is_switched_off_told_and_its_backlog_kept(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    target.status = 500
    happen(alice)
    work()
    work(minutes=60 * 25)
    shown = api.get(path(hook)).json()
    assert (shown["state"], bool(shown["disabled_at"])) == ("disabled", True)
    assert OutboxRow.objects.filter(type="webhook.disabled", object_id=hook["id"]).count() == 1
    assert AuditEntry.objects.filter(action="webhook.disabled", object_id=hook["id"]).count() == 1
    assert api.patch(path(hook), {"state": "paused"}).status_code == 409
    assert api.put(path(hook), shown).json() == shown
    happen(alice)
    tried = len(target.heard)
    work(minutes=60 * 26)
    assert len(target.heard) == tried
    target.status = 200
    assert api.patch(path(hook), {"state": "active"}).json()["state"] == "active"
    work(minutes=60 * 50)

    assert [row["status"] for row in listed(api, hook)] == ["delivered", "delivered"]


def test_a_webhook_that_was_switched_off_is_an_alert_of_the_organization_until_it_is_switched_on(
    api: APIClient, stranger: APIClient, api_with: Callable[..., APIClient], organization: Organization,
    alice: Actor, hook: dict[str, Any], target: Receiver,
) -> None:  # fmt: skip
    assert api.patch(path(hook), {"name": "Books"}).status_code == 200
    target.status = 500
    happen(alice)
    work()
    work(minutes=60 * 25)
    [alert] = results(api.get("/api/v1/alerts/?open=true"))
    own = f"/api/v1/alerts/{alert['id']}/"

    assert (alert["kind"], alert["station"], alert["subject"]) == ("webhook_disabled", None, hook["id"])
    assert "“Books” failed for a day" in alert["detail"]
    assert "The address answered 500" in alert["detail"]
    assert results(stranger.get("/api/v1/alerts/")) == []
    assert (stranger.get(own).status_code, stranger.post(f"{own}ack/").status_code) == (404, 404)
    assert results(limited(api_with, organization, alice).get("/api/v1/alerts/")) == []
    assert api.post(f"{own}ack/").json()["acknowledged_by"].startswith("key:")
    assert OutboxRow.objects.filter(type="alert.raised", object_id=alert["id"]).count() == 1

    assert api.patch(path(hook), {"state": "active"}).json()["state"] == "active"
    assert results(api.get("/api/v1/alerts/?open=true")) == []
    assert api.get(own).json()["cleared_at"] is not None
    assert OutboxRow.objects.filter(type="alert.cleared", object_id=alert["id"]).count() == 1


def test_the_alert_of_a_deleted_webhook_is_over(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    target.status = 500
    happen(alice)
    work()
    work(minutes=60 * 25)
    assert len(results(api.get("/api/v1/alerts/?open=true"))) == 1
    assert api.delete(path(hook)).status_code == 204

    assert results(api.get("/api/v1/alerts/?open=true")) == []


def limited(api_with: Callable[..., APIClient], organization: Organization, alice: Actor) -> APIClient:
    """A program that is limited to a site."""
    client = api_with("alerts:read")
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)
    access.limit_key(ApiKey.objects.latest("created_at"), ["Elsewhere"], by=alice)
    return client


def test_the_last_try_of_a_lone_event_switches_the_address_off_and_its_administrators_are_told(
    api: APIClient, organization: Organization, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    target.status = 500
    admin = factories.make_member(organization, name="anna").user
    happen(alice)
    passed = 0.0
    work()
    for seconds in deliveries.BACK_OFF_S:
        passed += seconds / 60 + 0.5
        work(minutes=passed)
    shown = api.get(path(hook)).json()
    mails.send_due()
    told = [one for one in mail.outbox if one.to == [admin.email]]

    assert shown["state"] == "disabled"
    assert [row["status"] for row in listed(api, hook)] == ["failed"]
    assert len(told) == 1
    assert "The address answered 500 Internal Server Error." in told[0].body


def test_what_waits_for_a_late_try_is_sent_when_the_webhook_is_resumed_or_it_is_asked_for(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    target.status = 500
    happen(alice)
    work()
    [first] = listed(api, hook)
    target.status = 200
    late = clock.now() + timedelta(hours=8)
    Delivery.objects.filter(webhook=hook["id"]).update(next_try_at=late)
    api.patch(path(hook), {"state": "paused"})
    api.patch(path(hook), {"state": "active"})
    work()
    assert [row["status"] for row in listed(api, hook)] == ["delivered"]

    happen(alice)
    outbox.relay()
    Delivery.objects.filter(webhook=hook["id"], status="pending").update(next_try_at=late)
    asked = api.post(path(hook, f"deliveries/{listed(api, hook)[0]['number']}/redeliver/"))
    again = api.post(path(hook, f"deliveries/{listed(api, hook)[0]['number']}/redeliver/"))
    work()

    assert (asked.status_code, again.status_code) == (202, 409)
    assert {row["status"] for row in listed(api, hook)} == {"delivered"}
    assert first["number"] in {row["number"] for row in listed(api, hook)}


def test_a_secret_that_cannot_be_read_is_no_fault_of_the_address(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    Webhook.objects.filter(pk=hook["id"]).update(sealed_secret="gone:" + "A" * 60)
    happen(alice)
    work()
    work(minutes=60 * 25)
    [row] = listed(api, hook)
    shown = api.get(path(hook)).json()

    assert (shown["state"], shown["disabled_at"], row["status"]) == ("active", None, "pending")
    assert target.heard == []
    attempts = api.get(path(hook, f"deliveries/{row['number']}/")).json()["attempts"]
    assert "cannot be read" in attempts[0]["failure"]


def test_two_secrets_sign_for_a_day_and_then_the_new_one_alone(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    fresh = api.post(path(hook, "rotate/")).json()["secret"]
    happen(alice)
    work()
    assert verified(target.heard[0], hook["secret"]) == verified(target.heard[0], fresh)
    assert len(target.heard[0][0]["webhook-signature"].split()) == 2
    Webhook.objects.filter(pk=hook["id"]).update(previous_until=clock.now() - timedelta(seconds=1))
    happen(alice)
    work()

    assert verified(target.heard[1], fresh)
    with pytest.raises(WebhookVerificationError):
        verified(target.heard[1], hook["secret"])


def test_only_what_was_asked_for_is_sent(
    api: APIClient, alice: Actor, charlie: Actor, target: Receiver
) -> None:
    api.post("/api/v1/sites/", {"name": "South", "time_zone": "UTC"})
    site = api.post("/api/v1/sites/", {"name": "North", "time_zone": "UTC"}).json()["id"]
    api.post("/api/v1/webhooks/", {"url": target.url, "types": ["station.created"], "sites": [site]})
    api.post("/api/v1/webhooks/", {"url": target.url, "types": ["alert.raised"]})
    api.post("/api/v1/stations/", {"identity": factories.unique("N"), "site": site})
    happen(alice)
    happen(charlie)
    work()

    assert [one["data"]["site"] for one in target.messages()] == [site]


def test_a_webhook_without_types_hears_everything_of_its_organization_and_nothing_of_others(
    api: APIClient, alice: Actor, charlie: Actor, target: Receiver
) -> None:
    api.post("/api/v1/webhooks/", {"url": target.url})
    happen(charlie)
    happen(alice)
    work()

    # Her station is made at a site, which is made with it.
    assert sorted(one["type"] for one in target.messages()) == ["site.created", "station.created"]


def test_a_pause_keeps_what_happens_until_it_is_over(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    assert api.patch(path(hook), {"state": "paused"}).json()["state"] == "paused"
    happen(alice, 3)
    work()
    assert target.heard == []
    row = listed(api, hook)[0]
    assert api.post(path(hook, f"deliveries/{row['number']}/redeliver/")).status_code == 409
    api.patch(path(hook), {"state": "active"})
    work()

    assert len(target.heard) == 3


def test_a_trial_reaches_this_webhook_alone_even_while_it_is_paused(
    api: APIClient, hook: dict[str, Any], target: Receiver
) -> None:
    other = api.post("/api/v1/webhooks/", {"url": target.url}).json()
    api.patch(path(hook), {"state": "paused"})
    sent = api.post(path(hook, "test/"))
    assert (sent.status_code, sent.json()["type"]) == (202, "webhook.test")
    work()

    assert [one["type"] for one in target.messages()] == ["webhook.test"]
    assert target.messages()[0]["data"]["webhook"] == hook["id"]
    assert api.get(sent["Location"]).json()["status"] == "delivered"
    assert listed(api, other) == []


def test_an_event_is_delivered_once_however_often_the_worker_runs(
    alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    happen(alice, 5)
    for _ in range(3):
        work()

    assert len(target.ids()) == len(set(target.ids())) == 5


def test_m07_what_a_killed_worker_had_claimed_is_tried_again_after_its_lease(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    happen(alice)
    outbox.relay()
    [lost] = deliveries._claim(10, deliveries._Turn())
    work()
    assert target.heard == []
    work(minutes=2)
    assert len(target.heard) == 1
    deliveries.settle([deliveries.Result(lost, clock.now(), 5, "too late")])

    [row] = listed(api, hook)
    assert (row["status"], row["tries"]) == ("delivered", 2)


def test_the_claim_of_a_delivery_shows_no_secret(alice: Actor, hook: dict[str, Any]) -> None:
    happen(alice)
    outbox.relay()
    [claim] = deliveries._claim(10, deliveries._Turn())

    assert claim.secrets == (hook["secret"],)
    assert hook["secret"] not in repr(claim)


def test_w17_a_redirect_is_not_followed(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    target.status, target.location = 302, target.url
    happen(alice)
    work()

    assert len(target.heard) == 1
    [row] = listed(api, hook)
    [attempt] = api.get(path(hook, f"deliveries/{row['number']}/")).json()["attempts"]
    assert (row["status"], attempt["status_code"]) == ("pending", 302)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "https://127.0.0.1/",
        "https://0x7f.1/",
        "https://10.1.2.3/hook",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://93.184.216.34:8443/",
        "https://user:secret@93.184.216.34/",
        "ftp://93.184.216.34/",
        "nonsense",
    ],
)
def test_w17_an_address_that_may_not_be_reached_is_refused_with_the_reason(api: APIClient, url: str) -> None:
    answer = api.post("/api/v1/webhooks/", {"url": url})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/url"
    assert not Webhook.objects.filter(url=url).exists()


def test_w17_the_address_is_looked_at_again_at_every_try(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver, settings: Any
) -> None:
    settings.EGRESS_ALLOW = ()
    happen(alice)
    work()

    assert target.heard == []
    [row] = listed(api, hook)
    [attempt] = api.get(path(hook, f"deliveries/{row['number']}/")).json()["attempts"]
    assert (attempt["status_code"], attempt["failure"]) == (None, "Only https may be used.")


def test_f26_a_delivery_that_breaks_the_sender_is_put_off_and_the_others_arrive(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    other = api.post("/api/v1/webhooks/", {"url": target.url, "types": ["station.created"]}).json()
    Webhook.objects.filter(pk=hook["id"]).update(sealed_secret="gone:AAAA")
    third = api.post("/api/v1/webhooks/", {"url": target.url, "types": ["station.created"]}).json()
    Webhook.objects.filter(pk=third["id"]).update(sealed_secret=keys.seal("whsec_A", purpose="webhook"))
    happen(alice)
    work()

    assert len(target.heard) == 1
    assert [row["status"] for row in listed(api, other)] == ["delivered"]
    for broken in (hook, third):
        [row] = listed(api, broken)
        assert (row["status"], row["tries"]) == ("pending", 1)
        [attempt] = api.get(path(broken, f"deliveries/{row['number']}/")).json()["attempts"]
        assert attempt["failure"]


def test_a_receiver_that_hangs_is_left_after_a_bounded_time(
    alice: Actor, hook: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object, **__: object) -> egress.Answer:
        raise egress.EgressFailed("127.0.0.1 was too slow.")

    monkeypatch.setattr(egress, "fetch", hang)
    happen(alice)
    work()

    assert Delivery.objects.get(webhook=hook["id"]).status == "pending"
    assert deliveries.LEASE.total_seconds() > egress.TOTAL_S


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"url": PUBLIC, "types": ["station.exploded"]}, "/types/0"),
        ({"url": PUBLIC, "types": "station.created"}, "/types"),
        ({"url": PUBLIC, "sites": ["0192f3a4-5b6c-7d8e-9f01-23456789abcd"]}, "/sites"),
        ({"url": PUBLIC, "sites": ["x"]}, "/sites/0"),
        ({"url": PUBLIC, "state": "disabled"}, "/state"),
        ({"url": PUBLIC, "secret": "mine"}, "/secret"),
        ({"url": 5, "name": "x" * 101}, "/name"),
    ],
)
def test_a_wrong_body_is_refused_and_changes_nothing(
    api: APIClient, body: dict[str, Any], pointer: str
) -> None:
    answer = api.post("/api/v1/webhooks/", body)

    assert answer.status_code == 400
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert results(api.get("/api/v1/webhooks/")) == []


def test_a_webhook_is_read_changed_replaced_and_deleted_with_the_manners_of_the_api(
    api: APIClient, hook: dict[str, Any]
) -> None:
    read = api.get(path(hook))
    assert api.get(path(hook), headers={"If-None-Match": read["ETag"]}).status_code == 304
    changed = api.patch(path(hook), {"name": "Store"}, headers={"If-Match": read["ETag"]})
    assert changed.json()["name"] == "Store"
    assert api.patch(path(hook), {"name": "B"}, headers={"If-Match": read["ETag"]}).status_code == 412
    replaced = api.put(path(hook), {"url": hook["url"]})
    assert (replaced.json()["name"], replaced.json()["types"]) == ("", [])
    assert api.delete(path(hook)).status_code == 204
    assert api.get(path(hook)).status_code == 404
    assert Webhook.objects.get(pk=hook["id"]).sealed_secret == ""
    actions = AuditEntry.objects.filter(object_id=hook["id"]).values_list("action", flat=True)
    assert sorted(actions) == ["webhook.changed", "webhook.changed", "webhook.created", "webhook.deleted"]


def test_nobody_switches_a_webhook_off_as_one_that_failed(api: APIClient, hook: dict[str, Any]) -> None:
    refused = api.patch(path(hook), {"state": "disabled"})

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/state")
    assert api.get(path(hook)).json()["state"] == "active"


def test_nothing_is_sent_to_a_webhook_that_was_deleted(
    api: APIClient, alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    happen(alice)
    outbox.relay()
    api.delete(path(hook))
    happen(alice)
    work(minutes=5)

    assert target.heard == []


def test_a_stranger_finds_no_webhook_and_no_delivery(
    api: APIClient, stranger: APIClient, alice: Actor, hook: dict[str, Any]
) -> None:
    happen(alice)
    work()
    number = listed(api, hook)[0]["number"]
    one = f"deliveries/{number}/"

    for rest in ("", "deliveries/", one):
        assert stranger.get(path(hook, rest)).status_code == 404
    for rest in ("test/", "rotate/", f"{one}redeliver/"):
        assert stranger.post(path(hook, rest)).status_code == 404
    assert stranger.patch(path(hook), {"name": "mine"}).status_code == 404
    assert stranger.delete(path(hook)).status_code == 404
    assert results(stranger.get("/api/v1/webhooks/")) == []


def test_a_key_asks_for_no_event_that_it_may_not_read(
    api_with: Callable[..., APIClient], target: Receiver
) -> None:
    client = api_with("webhooks:read", "webhooks:write", "stations:read")
    body = {"url": target.url, "types": ["station.created"]}

    assert client.post("/api/v1/webhooks/", body).status_code == 201
    for types in ([], ["transaction.started"], ["station.created", "alert.raised"]):
        answer = client.post("/api/v1/webhooks/", {**body, "types": types})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/types")
    assert api_with("webhooks:read").post("/api/v1/webhooks/", body).status_code == 403
    assert api_with("stations:read").get("/api/v1/webhooks/").status_code == 403


def test_a_key_decides_nothing_about_a_webhook_whose_events_it_may_not_read(
    api: APIClient, api_with: Callable[..., APIClient], alice: Actor, hook: dict[str, Any], target: Receiver
) -> None:
    happen(alice)
    work()
    number = listed(api, hook)[0]["number"]
    client = api_with("webhooks:read", "webhooks:write")

    assert client.patch(path(hook), {"url": PUBLIC}).status_code == 403
    for act in ("rotate/", "test/"):
        assert client.post(path(hook, act)).status_code == 403
    assert client.post(path(hook, f"deliveries/{number}/redeliver/")).status_code == 404
    assert listed(client, hook) == []
    assert client.get(path(hook, f"deliveries/{number}/")).status_code == 404
    assert api.get(path(hook)).json()["url"] == target.url
    assert client.patch(path(hook), {"state": "paused"}).status_code == 200
    assert client.patch(path(hook), {"state": "active"}).status_code == 403


def test_f25_slow_addresses_of_one_organization_hold_up_no_other(
    api: APIClient, stranger: APIClient, alice: Actor, charlie: Actor, settings: Any
) -> None:
    with receiver() as slow, receiver() as quick:
        settings.EGRESS_ALLOW = (*slow.allowed, *quick.allowed)
        slow.answers_after_s = 1.5
        for _ in range(4):
            made = api.post("/api/v1/webhooks/", {"url": slow.url, "types": ["station.created"]})
            assert made.status_code == 201
        assert (
            stranger.post("/api/v1/webhooks/", {"url": quick.url, "types": ["station.created"]}).status_code
            == 201
        )
        happen(alice, 20)
        happen(charlie, 30)
        deliveries.run(budget_s=1.0)

        assert len(set(quick.ids())) == 30
        assert 0 < len(slow.ids()) <= deliveries.PER_ORGANIZATION


def test_f25_a_name_that_had_no_turn_at_the_name_service_is_no_failure_of_its_address(
    api: APIClient, alice: Actor, hook: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> egress.Answer:
        raise egress.EgressBusy("Too many names are asked for at once. Try again later.")

    monkeypatch.setattr(egress, "fetch", busy)
    happen(alice)
    work()

    [row] = listed(api, hook)
    assert (row["status"], row["tries"]) == ("pending", 1)
    assert api.get(path(hook)).json()["failing_since"] is None


def test_webhooks_are_bounded_in_number(api: APIClient, organization: Organization) -> None:
    answers = [api.post("/api/v1/webhooks/", {"url": PUBLIC}).status_code for _ in range(21)]

    assert answers == [201] * 20 + [409]
    assert Webhook.objects.filter(organization=organization).count() == 20
