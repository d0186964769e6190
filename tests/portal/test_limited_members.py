"""Who is limited to sites changes nothing that holds for all sites of the organization."""

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from core.access import Actor, Role
from core.models import AuditEntry, Membership, Organization
from drivers.models import IdToken
from drivers.services import tokens
from stations.models import DataTransferRule, Quirk, Site
from stations.services import access, sites
from tests import factories

QUIRK = {"vendor": "Acme", "reason": "Counts in tenths", "energy_factor": "0.1"}
RULE = {"use": "answer", "vendor_id": "com.acme"}


@pytest.fixture
def organization(db: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def actor(organization: Organization) -> Actor:
    return access.actor_of_member(factories.make_member(organization))


@pytest.fixture
def limited(organization: Organization, actor: Actor) -> Client:
    """Signed in as an administrator of one site."""
    sites.create({"name": "Harbour", "time_zone": "UTC"}, by=actor)
    dan: Membership = factories.make_member(organization, Role.ADMIN, "dan")
    access.limit_member(dan, ["Harbour"], by=actor)
    client = Client()
    client.force_login(dan.user)
    client.defaults["HTTP_X_ORGANIZATION"] = organization.slug
    return client


@pytest.fixture
def quirk(organization: Organization) -> Quirk:
    return Quirk.objects.create(organization=organization, vendor="Acme", reason="Speaks oddly")


@pytest.fixture
def rule(organization: Organization) -> DataTransferRule:
    return DataTransferRule.objects.create(organization=organization, **RULE)


def written_by(client: Client, address: str, thing: Model, body: dict[str, Any]) -> list[int]:
    """The statuses of a POST, a PATCH and a DELETE through the API."""
    one = f"{address}{thing.pk}/"
    sent = {"data": body, "content_type": "application/json"}
    tag = client.get(one).headers.get("ETag", "*")
    return [
        client.post(address, **sent).status_code,
        client.patch(one, **sent, headers={"If-Match": tag}).status_code,
        client.delete(one).status_code,
    ]


def test_w01_quirks_are_read_and_not_changed_by_the_api(limited: Client, quirk: Quirk) -> None:
    written = AuditEntry.objects.count()

    assert limited.get(f"/api/v1/quirks/{quirk.pk}/").status_code == 200
    assert written_by(limited, "/api/v1/quirks/", quirk, QUIRK) == [403, 403, 403]
    quirk.refresh_from_db()
    assert (quirk.reason, quirk.energy_factor) == ("Speaks oddly", None)
    assert Quirk.objects.filter(organization=quirk.organization).count() == 1
    assert AuditEntry.objects.count() == written


def test_w01_rules_for_vendors_messages_are_read_and_not_changed_by_the_api(
    limited: Client, rule: DataTransferRule
) -> None:
    body = {**RULE, "message_id": "Other"}

    assert limited.get(f"/api/v1/data-transfer-rules/{rule.pk}/").status_code == 200
    assert written_by(limited, "/api/v1/data-transfer-rules/", rule, body) == [403, 404, 404]
    rule.refresh_from_db()
    assert rule.message_id == ""
    assert DataTransferRule.objects.filter(organization=rule.organization).count() == 1


def test_w01_pages_delete_neither(
    limited: Client, organization: Organization, quirk: Quirk, rule: DataTransferRule
) -> None:
    home = f"/o/{organization.slug}/"

    assert limited.post(f"{home}quirks/{quirk.pk}/delete/").status_code == 403
    assert limited.post(f"{home}data-transfer-rules/{rule.pk}/delete/").status_code == 404
    assert Quirk.objects.filter(pk=quirk.pk).exists()
    assert DataTransferRule.objects.filter(pk=rule.pk).exists()


def test_w01_a_new_site_is_not_made(limited: Client, organization: Organization) -> None:
    body = {"name": "Depot", "time_zone": "UTC"}

    assert limited.post("/api/v1/sites/", body, content_type="application/json").status_code == 403
    assert not Site.objects.filter(organization=organization, name="Depot").exists()


@pytest.fixture
def token(actor: Actor) -> IdToken:
    group = tokens.create_group(name="Neighbours", by=actor)
    return factories.make_token(actor, "04AA", group=group)


def test_w01_groups_are_read_and_not_changed_by_the_api(limited: Client, token: IdToken) -> None:
    written = AuditEntry.objects.count()
    group = {"name": "Everybody", "master_pass": True}
    assert token.group is not None

    assert limited.get(f"/api/v1/groups/{token.group.pk}/").status_code == 200
    assert written_by(limited, "/api/v1/groups/", token.group, group) == [403, 403, 403]
    token.group.refresh_from_db()
    assert (token.group.name, token.group.master_pass, token.group.retired_at) == ("Neighbours", False, None)
    assert AuditEntry.objects.count() == written


def test_w01_nobody_is_put_in_a_group_nor_forgotten_nor_imported(limited: Client, token: IdToken) -> None:
    into = {"value": "04BB", "type": "ISO14443", "group": str(token.group_id)}
    imported = {"tokens": [{"value": "04AA", "type": "ISO14443", "status": "blocked"}], "known": "update"}
    sent = {"data": imported, "content_type": "application/json"}

    assert written_by(limited, "/api/v1/tokens/", token, into) == [403, 403, 403]
    assert limited.post("/api/v1/tokens/import/", **sent).status_code == 403
    token.refresh_from_db()
    assert (token.value, token.status, token.retired_at) == ("04AA", "accepted", None)
    assert IdToken.objects.filter(organization=token.organization).count() == 1


@pytest.mark.parametrize("change", [{"value": "04CC"}, {"group": None}, {"type": "KeyCode"}], ids=str)
def test_w01_nobody_else_takes_the_place_of_a_token_in_a_group(
    limited: Client, token: IdToken, change: dict[str, Any]
) -> None:
    one = f"/api/v1/tokens/{token.pk}/"
    tag = limited.get(one).headers["ETag"]

    answer = limited.patch(one, change, content_type="application/json", headers={"If-Match": tag})
    token.refresh_from_db()

    assert answer.status_code == 403
    assert (token.value, token.group is not None) == ("04AA", True)


def test_a_token_alone_is_made_and_blocked_all_the_same(limited: Client, token: IdToken) -> None:
    row = {"value": "04BB", "type": "ISO14443"}
    one = f"/api/v1/tokens/{token.pk}/"
    tag = limited.get(one).headers["ETag"]

    made = limited.post("/api/v1/tokens/", row, content_type="application/json")
    blocked = limited.patch(
        one, {"status": "blocked"}, content_type="application/json", headers={"If-Match": tag}
    )

    assert (made.status_code, blocked.status_code) == (201, 200)
