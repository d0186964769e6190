"""The pages of webhooks: made, tried, paused, given a new secret, deleted; nothing for strangers."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import Delivery, Membership, Organization, Webhook
from core.services import webhook_news, webhooks
from portal import tasks
from stations.models import Alert
from stations.services import sites
from tests import factories
from tests.receiving import Receiver, receiver

SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")


@pytest.fixture
def target(settings: Any) -> Iterator[Receiver]:
    with receiver() as ledger:
        settings.EGRESS_ALLOW = ledger.allowed
        yield ledger


@pytest.fixture
def hook(actor: Actor, target: Receiver) -> Webhook:
    return webhooks.create({"name": "Warehouse", "url": target.url}, by=actor)[0]


def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer.content
    page: str = answer.content.decode()
    return page


def test_a_webhook_is_made_and_its_secret_shown_once(
    browser: Client, home: str, actor: Actor, target: Receiver
) -> None:
    site = sites.create({"name": "North", "time_zone": "UTC"}, by=actor)
    values = {"name": "Store", "url": target.url, "types": ["alert.raised"], "limits": [str(site.pk)]}
    shown = SECRET.search(text_of(browser.post(f"{home}developer/webhooks/", values)))
    made = Webhook.objects.get(name="Store")

    assert shown is not None
    assert webhooks.secrets_of(made) == [shown[0]]
    assert (made.types, made.limits) == (["alert.raised"], [site.pk])
    for path in ("developer/webhooks/", f"developer/webhooks/{made.pk}/"):
        page = text_of(browser.get(home + path))
        assert "Store" in page
        assert not SECRET.search(page)


def test_a_private_address_is_refused_at_its_field_with_the_reason(browser: Client, home: str) -> None:
    answer = browser.post(f"{home}developer/webhooks/", {"url": "https://10.1.2.3/"})
    assert "10.1.2.3 leads to an address that may not be reached." in text_of(answer, 422)
    german = browser.post(
        f"{home}developer/webhooks/", {"url": "http://93.184.216.34/"}, headers={"Accept-Language": "de"}
    )

    assert "Nur https ist erlaubt." in text_of(german, 422)
    assert not Webhook.objects.exists()


def test_a_test_is_shown_with_its_request_and_what_came_back(
    browser: Client, home: str, hook: Webhook, target: Receiver
) -> None:
    path = f"{home}developer/webhooks/{hook.pk}/"
    target.status = 503
    browser.post(f"{path}test/")
    tasks.send_webhooks()
    page = text_of(browser.get(path))
    event = Delivery.objects.get(webhook=hook).event

    assert "webhook.test" in page
    assert str(event.uid) in page
    assert "The address answered 503 Service Unavailable." in page
    assert "The address has failed since" in page
    german = text_of(browser.get(path, headers={"Accept-Language": "de"}))
    assert "Die Adresse antwortete 503 Service Unavailable." in german
    assert "The address" not in german


def test_the_list_shows_how_much_arrived(browser: Client, home: str, hook: Webhook, target: Receiver) -> None:
    browser.post(f"{home}developer/webhooks/{hook.pk}/test/")
    assert "100 %" not in text_of(browser.get(f"{home}developer/webhooks/"))
    tasks.send_webhooks()

    assert "100 %" in text_of(browser.get(f"{home}developer/webhooks/"))


def test_it_is_paused_resumed_changed_sent_again_and_deleted(
    browser: Client, home: str, hook: Webhook, target: Receiver
) -> None:
    path = f"{home}developer/webhooks/{hook.pk}/"
    for act, state in (("pause", "paused"), ("resume", "active")):
        assert browser.post(f"{path}{act}/").status_code == 302
        hook.refresh_from_db()
        assert hook.state == state
    browser.post(f"{path}test/")
    tasks.send_webhooks()
    number = Delivery.objects.get(webhook=hook).event_id
    assert browser.post(f"{path}redeliver/{number}/").status_code == 302
    tasks.send_webhooks()
    assert len(target.ids()) == 2
    assert len(set(target.ids())) == 1
    assert browser.post(path, {"url": target.url, "types": ["alert.raised"]}).status_code == 302
    hook.refresh_from_db()
    assert (hook.name, hook.types) == ("", ["alert.raised"])
    assert text_of(browser.post(path, {"url": "https://[::1]/"}), 422).count("may not be reached") == 1
    assert browser.post(f"{path}delete/").status_code == 302
    assert browser.get(path).status_code == 404


def test_a_new_secret_is_shown_once(browser: Client, home: str, hook: Webhook) -> None:
    page = text_of(browser.post(f"{home}developer/webhooks/{hook.pk}/rotate/"))
    shown = SECRET.search(page)
    hook.refresh_from_db()

    assert shown is not None
    assert webhooks.secrets_of(hook)[0] == shown[0]
    assert len(webhooks.secrets_of(hook)) == 2


def test_what_was_switched_off_says_so_and_can_be_sent_again(
    browser: Client, home: str, hook: Webhook
) -> None:
    Webhook.objects.filter(pk=hook.pk).update(state="disabled", failing_since="2026-01-01T00:00Z")
    path = f"{home}developer/webhooks/{hook.pk}/"
    page = text_of(browser.get(path))

    assert "so it was switched off" in page
    assert browser.post(f"{path}pause/").status_code == 409
    assert browser.post(f"{path}resume/").status_code == 302
    assert "switched off" not in text_of(browser.get(path)).lower()


def test_an_alert_of_a_webhook_is_shown_without_a_station_and_acknowledged(
    browser: Client, viewer: Client, charlie: Client, home: str, hook: Webhook, actor: Actor
) -> None:
    factories.make_station(actor)
    webhook_news.switched_off.send(Webhook, webhook=hook, failure="The address answered 500.")
    alert = Alert.objects.get(station=None)
    told, link = "The webhook “Warehouse” failed for a day", f"{home}developer/webhooks/"
    pages = [text_of(browser.get(home + path)) for path in ("", "alerts/")]
    seen = text_of(viewer.get(f"{home}alerts/"))

    assert [told in page for page in (*pages, seen)] == [True] * 3
    assert (f'href="{link}">Webhooks' in pages[1], link in seen) == (True, False)
    german = text_of(browser.get(f"{home}alerts/", headers={"Accept-Language": "de"}))
    assert "Der Webhook „Warehouse“ hat einen Tag lang versagt" in german
    assert charlie.post(f"{home}alerts/{alert.pk}/ack/").status_code == 404
    assert browser.post(f"{home}alerts/{alert.pk}/ack/").status_code == 302
    alert.refresh_from_db()
    assert alert.acknowledged_by.startswith("user:")


def test_a_stranger_and_a_technician_find_nothing(
    charlie: Client,
    organization: Organization,
    browser_of: Callable[[Membership], Client],
    home: str,
    hook: Webhook,
) -> None:
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    for client, status in ((charlie, 404), (bob, 403)):
        for path in ("", f"{hook.pk}/"):
            assert client.get(f"{home}developer/webhooks/{path}").status_code == status
        for act in ("pause", "test", "rotate", "delete"):
            assert client.post(f"{home}developer/webhooks/{hook.pk}/{act}/").status_code == status
    hook.refresh_from_db()

    assert (hook.state, hook.retired_at, hook.previous_until) == ("active", None, None)
