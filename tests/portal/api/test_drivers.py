"""``/drivers/`` and ``/driver-groups/``: kept, blocked, ended, and not by strangers."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from core.access import Actor
from core.models import AuditEntry
from drivers.models import Driver, IdToken
from tests import factories
from tests.portal.api.conftest import results

URL, GROUPS = "/api/v1/drivers/", "/api/v1/driver-groups/"


@pytest.fixture
def url(api: APIClient) -> str:
    made = api.post(URL, {"name": "Frida Abend", "email": "frida@example.org", "reference": "K-17"})
    assert made.status_code == 201, made.content
    location: str = made["Location"]
    return location


def test_a_driver_is_read_changed_and_replaced(api: APIClient, url: str) -> None:
    read = api.get(url).json()

    assert (read["name"], read["email"], read["status"]) == ("Frida Abend", "frida@example.org", "active")
    assert api.patch(url, {"language": "de"}).json()["language"] == "de"
    assert api.put(url, read).json() == read
    replaced = api.put(url, {"name": "Frida Morgen"}).json()
    assert (replaced["name"], replaced["email"], replaced["reference"]) == ("Frida Morgen", "", "")
    assert api.put(url, {"email": "x@example.org"}).status_code == 400


def test_the_audit_says_that_a_name_changed_and_not_whose(api: APIClient, url: str) -> None:
    api.patch(url, {"name": "Frida Morgen", "email": "f.morgen@example.org", "reference": "K-18"})

    entry = AuditEntry.objects.get(action="driver.changed")
    assert entry.changes == {"name": ["…", "…"], "email": ["…", "…"], "reference": ["K-17", "K-18"]}
    entries = AuditEntry.objects.filter(organization=entry.organization).exclude(action="seller.changed")
    told = [str(vars(one)) for one in entries]
    assert not any("Frida" in text or "example.org" in text.replace(one_key(text), "") for text in told)


def one_key(text: str) -> str:
    """The address of the member that acts, which the audit does name."""
    return text.split("'actor': '")[1].split("'")[0]


COMPANY = {
    "name": "Kurier Nord GmbH",
    "kind": "company",
    "address": {"street": "Hafenstr. 12", "postal_code": "20457", "city": "Hamburg", "country": "DEU"},
    "vat_id": "DE 136 695 976",
}
NOWHERE = {"street": "", "postal_code": "", "city": "", "country": ""}


def test_a_company_that_drives_has_its_address_and_vat_id_on_documents(api: APIClient) -> None:
    made = api.post(URL, COMPANY)
    assert made.status_code == 201, made.content
    url = made["Location"]

    address = {**COMPANY["address"], "country": "DE"}  # type: ignore[dict-item]
    expected = ("company", address, "DE136695976")
    for shown in (made.json(), api.get(url).json(), results(api.get(URL))[0]):
        assert (shown["kind"], shown["address"], shown["vat_id"]) == expected
    account = results(api.get(f"/api/v1/billing-accounts/?driver={made.json()['id']}"))[0]
    buyer = api.get(f"/api/v1/billing-accounts/{account['id']}/").json()["buyer"]
    assert (account["kind"], buyer["street"], buyer["vat_id"]) == ("company", "Hafenstr. 12", "DE136695976")

    told = AuditEntry.objects.filter(action="buyer.changed").count()
    assert api.patch(url, {"language": "de"}).json()["vat_id"] == "DE136695976"
    assert AuditEntry.objects.filter(action="buyer.changed").count() == told
    moved = api.patch(url, {"address": {"city": "Kiel", "country": "DE"}}).json()
    assert (moved["kind"], moved["address"]["city"], moved["address"]["street"]) == ("company", "Kiel", "")
    assert api.put(url, moved).json() == moved
    plain = api.put(url, {"name": "Kurier Nord"}).json()
    assert (plain["kind"], plain["vat_id"]) == ("company", "DE136695976"), "who bills may have entered it"
    private = api.patch(url, {"kind": "person", "address": {}, "vat_id": ""}).json()
    assert (private["kind"], private["address"], private["vat_id"]) == ("person", NOWHERE, "")


def test_a_driver_of_whom_no_address_is_said_is_a_person_and_pays_through_no_account_yet(
    api: APIClient, url: str
) -> None:
    shown = api.get(url).json()

    assert (shown["kind"], shown["address"], shown["vat_id"]) == ("person", NOWHERE, "")
    assert results(api.get("/api/v1/billing-accounts/")) == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"vat_id": "DE136695977", "address": {"country": "DE"}}, "/vat_id"),
        ({"vat_id": "DE136695976"}, "/vat_id"),
        ({"address": {"country": "XX"}}, "/address/country"),
        ({"address": {"town": "Kiel"}}, "/address/town"),
        ({"kind": "club"}, "/kind"),
    ],
)
def test_what_cannot_stand_on_a_document_is_named_and_nothing_is_kept(
    api: APIClient, url: str, change: dict[str, Any], pointer: str
) -> None:
    refused = api.patch(url, {"name": "Otto", **change})

    assert refused.status_code == 400, refused.content
    assert refused.json()["errors"][0]["pointer"] == pointer
    assert api.get(url).json()["name"] == "Frida Abend"
    assert results(api.get("/api/v1/billing-accounts/")) == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": " "}, "/name"),
        ({"name": "x", "email": "no address"}, "/email"),
        ({"name": "x", "language": "xx"}, "/language"),
        ({"name": "x", "status": "asleep"}, "/status"),
        ({"name": "x" * 101}, "/name"),
        ({"name": "x", "nickname": "y"}, "/nickname"),
    ],
)
def test_a_wrong_value_is_named(api: APIClient, body: dict[str, str], pointer: str) -> None:
    answer = api.post(URL, body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Driver.objects.exists()


def test_a_reference_is_given_once_whatever_its_case(api: APIClient, url: str) -> None:
    assert api.post(URL, {"name": "Other", "reference": "k-17"}).status_code == 409
    assert api.post(URL, {"name": "Other"}).status_code == 201
    assert api.post(URL, {"name": "One more"}).status_code == 201
    assert api.delete(url).status_code == 204
    assert api.post(URL, {"name": "Next", "reference": "K-17"}).status_code == 201


def test_a_blocked_driver_has_blocked_tokens_and_a_reason(api: APIClient, url: str, alice: Actor) -> None:
    driver = Driver.objects.get()
    token = factories.make_token(alice, driver=driver)

    blocked = api.patch(url, {"status": "blocked", "blocked_reason": "Invoice 7 is open"}).json()
    shown = api.get(f"/api/v1/tokens/{token.pk}/").json()
    free = api.patch(url, {"status": "active"}).json()

    assert (blocked["status"], blocked["blocked_reason"]) == ("blocked", "Invoice 7 is open")
    assert (shown["status"], shown["driver"]) == ("blocked", str(driver.pk))
    assert free["blocked_reason"] == ""
    assert api.get(f"/api/v1/tokens/{token.pk}/").json()["status"] == "accepted"


def test_an_ended_driver_takes_the_tokens_along(api: APIClient, url: str, alice: Actor) -> None:
    token = factories.make_token(alice, driver=Driver.objects.get())
    other = factories.make_token(alice)

    assert api.delete(url).status_code == 204

    assert api.get(url).status_code == 404
    assert results(api.get(URL)) == []
    assert [one.pk for one in IdToken.objects.live()] == [other.pk]
    assert api.patch(f"/api/v1/tokens/{other.pk}/", {"driver": url.split("/")[-2]}).status_code == 400
    assert AuditEntry.objects.filter(action="token.retired", object_id=str(token.pk)).exists()


def test_tokens_are_found_by_their_driver(api: APIClient, url: str, alice: Actor) -> None:
    driver = Driver.objects.get()
    made = api.post("/api/v1/tokens/", {"value": "04AA", "type": "ISO14443", "driver": str(driver.pk)})
    factories.make_token(alice)

    assert made.status_code == 201
    assert [row["value"] for row in results(api.get("/api/v1/tokens/", {"driver": str(driver.pk)}))] == [
        "04AA"
    ]


def test_drivers_are_found_by_words_state_and_group(api: APIClient, url: str) -> None:
    group = api.post(GROUPS, {"name": "Tenants"}).json()["id"]
    api.post(URL, {"name": "Emil", "status": "blocked", "group": group})

    def names(**query: str) -> list[str]:
        return sorted(row["name"] for row in results(api.get(URL, query)))

    assert names(search="frida@") == names(reference="k-17") == names(status="active") == ["Frida Abend"]
    assert names(group=group) == names(status="blocked") == ["Emil"]
    assert names(ordering="name") == ["Emil", "Frida Abend"]


def test_drivers_are_exported_as_a_table(api: APIClient, url: str) -> None:
    answer = api.get(URL, headers={"Accept": "text/csv"})
    head, row = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]

    assert head.startswith("id,name,email,language,reference,group,status")
    assert "Frida Abend,frida@example.org,,K-17" in row


def test_a_group_is_renamed_and_ended_and_its_drivers_stay(api: APIClient, url: str) -> None:
    group = api.post(GROUPS, {"name": "Tenants"})["Location"]
    api.patch(url, {"group": group.split("/")[-2]})

    assert api.post(GROUPS, {"name": "TENANTS"}).status_code == 409
    assert api.patch(group, {"name": "Staff"}).json()["name"] == "Staff"
    assert api.put(group, {"name": "Crew"}).json()["name"] == "Crew"
    assert api.delete(group).status_code == 204
    assert api.get(url).json()["group"] is None
    assert results(api.get(GROUPS)) == []


def test_a_stranger_finds_no_driver_and_no_group(api: APIClient, stranger: APIClient, url: str) -> None:
    group = api.post(GROUPS, {"name": "Tenants"})["Location"]
    for one in (url, group):
        for answer in (
            stranger.get(one),
            stranger.patch(one, {"name": "mine"}),
            stranger.put(one, {"name": "mine"}),
            stranger.delete(one),
        ):
            assert answer.status_code == 404
    theirs = stranger.post(URL, {"name": "Thief", "group": group.split("/")[-2]})
    token = stranger.post(
        "/api/v1/tokens/", {"value": "04FF", "type": "ISO14443", "driver": url.split("/")[-2]}
    )

    assert (theirs.status_code, token.status_code) == (400, 400)
    assert results(stranger.get(URL)) == results(stranger.get(GROUPS)) == []
    assert api.get(url).json()["name"] == "Frida Abend"


def test_a_key_without_the_scope_sees_and_writes_nothing(
    api_with: Callable[..., APIClient], url: str
) -> None:
    reader, other = api_with("drivers:read"), api_with("tokens:read", "transactions:read")

    assert reader.get(url).status_code == 200
    assert reader.patch(url, {"name": "x"}).status_code == 403
    assert other.get(url).status_code == other.get(GROUPS).status_code == 403
