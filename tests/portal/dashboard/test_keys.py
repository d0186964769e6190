"""The page of API keys and OAuth2 clients: made, limited to sites, given a new secret; nothing for strangers."""

import re
from typing import Any

from django.test import Client

from core.access import Actor, Role
from core.models import ApiKey, Organization
from core.services import keys
from stations.models import SiteLimit
from stations.services import sites
from tests import factories

SECRET = re.compile(r"cy_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}")


def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer.content
    page: str = answer.content.decode()
    return page


def test_a_client_is_made_for_a_site_and_its_secret_shown_once(
    browser: Client, home: str, actor: Actor
) -> None:
    site = sites.create({"name": "North", "time_zone": "UTC"}, by=actor)
    values = {"name": "Partner", "kind": "client", "scopes": ["sites:read"], "sites": [str(site.pk)]}
    shown = SECRET.search(text_of(browser.post(f"{home}developer/", values)))
    made = ApiKey.objects.get()

    assert shown is not None
    assert keys.find(shown[0], address="127.0.0.1", kind="client") == made
    assert list(SiteLimit.objects.values_list("api_key", "site")) == [(made.pk, site.pk)]
    page = text_of(browser.get(f"{home}developer/"))
    assert made.client_id in page
    assert "North" in page
    assert not SECRET.search(page)


def test_a_new_secret_is_shown_once_and_the_former_works_on(
    browser: Client, home: str, actor: Actor, organization: Organization
) -> None:
    key, former = keys.create(organization, name="Key", scopes=["sites:read"], by=actor)
    page = text_of(browser.post(f"{home}developer/{key.pk}/rotate/", {"overlap_h": "24"}))
    shown = SECRET.search(page)

    assert shown is not None
    assert "The former secret works until" in page
    for secret in (former, shown[0]):
        assert keys.find(secret, address="127.0.0.1") == key
    assert not SECRET.search(text_of(browser.get(f"{home}developer/")))
    assert browser.post(f"{home}developer/{key.pk}/rotate/", {"overlap_h": "soon"}).status_code == 422
    key.refresh_from_db()
    assert keys.find(former, address="127.0.0.1") == key


def test_a_site_of_others_is_no_choice_and_makes_no_key(browser: Client, home: str) -> None:
    other = factories.make_actor(factories.make_organization(), name="charlie")
    foreign = sites.create({"name": "Theirs", "time_zone": "UTC"}, by=other)
    values = {"name": "X", "scopes": ["sites:read"], "sites": [str(foreign.pk)]}

    text_of(browser.post(f"{home}developer/", values), 422)
    assert not ApiKey.objects.exists()


def test_strangers_and_other_roles_give_no_new_secret(
    home: str, actor: Actor, organization: Organization
) -> None:
    key, former = keys.create(organization, name="Key", scopes=["sites:read"], by=actor)
    stranger = factories.make_member(factories.make_organization(), Role.ADMIN, "charlie")
    bob = factories.make_member(organization, Role.TECHNICIAN, "bob")
    for member, status in ((stranger, 404), (bob, 403)):
        client = Client()
        client.force_login(member.user)
        answer = client.post(f"{home}developer/{key.pk}/rotate/", {"overlap_h": "0"})
        assert answer.status_code == status
    assert keys.find(former, address="127.0.0.1") == key
