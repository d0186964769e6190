"""Agreements on charging at home and with hosts, and their statements, by pages and API (billing B-52, B-53)."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from billing.models import AccountKind, BillingAccount, HomeAgreement, HostAgreement, Invoice, Supplier
from billing.services import accounts, documents, home_agreements, running
from core import clock
from core.access import Actor
from core.models import Organization
from drivers.models import Driver
from stations.models import ChargingStation, Site
from stations.services import sites
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle, when_over
from tests.billing.pages import alice, browser, browser_of, limited, member, organization, viewer
from tests.portal.api.conftest import client_with

__all__ = ["alice", "browser", "limited", "member", "organization", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")
SINCE = clock.now().date() - timedelta(days=40)
LATER = clock.now().date() + timedelta(days=40)


@pytest.fixture
def home(organization: Organization) -> str:
    return f"/o/{organization.slug}/"


@pytest.fixture
def driver(alice: Actor) -> Driver:
    return factories.make_driver(alice, factories.unique("Frida"))


@pytest.fixture
def town(organization: Organization, alice: Actor) -> BillingAccount:
    return accounts.open_company(organization, factories.unique("Town"), by=alice)


@pytest.fixture
def site(alice: Actor, station: ChargingStation) -> Site:
    made = sites.create({"name": factories.unique("Quay"), "time_zone": "Europe/Berlin"}, by=alice)
    ChargingStation.objects.filter(pk=station.pk).update(site=made)
    return made


def told(driver: Driver, station: ChargingStation, **other: Any) -> dict[str, Any]:
    return {
        "driver": str(driver.pk), "station": str(station.pk), "rate_per_kwh": "0.30", "currency": "EUR",
        "valid_from": str(SINCE), "meter_serial": "M-1", "tax": "none", **other,
    }  # fmt: skip


def of(organization: Organization, *scopes: str) -> APIClient:
    return client_with(factories.make_key(organization, *scopes))


def test_b52_an_agreement_is_made_and_ended_by_pages(
    browser: Client, home: str, driver: Driver, station: ChargingStation, organization: Organization
) -> None:
    page = browser.get(f"{home}payments/home-charging/?payer={driver.name}").content.decode()
    body = {
        "account": f"driver:{driver.pk}", "station": station.identity, "rate_per_kwh": "0.30", "currency": "EUR",
        "valid_from": str(SINCE), "meter_serial": "M-1", "tax": "none",
    }  # fmt: skip
    wrong = browser.post(f"{home}payments/home-charging/", {**body, "station": "nowhere"})
    made = browser.post(f"{home}payments/home-charging/", body)
    agreement = HomeAgreement.objects.get(organization=organization)
    ended = browser.post(f"{home}payments/home-charging/{agreement.pk}/end/", {"valid_to": str(LATER)})
    agreement.refresh_from_db()

    assert f"driver:{driver.pk}" in page
    assert (wrong.status_code, made.status_code, ended.status_code) == (422, 302, 302)
    assert (agreement.driver, agreement.station, agreement.valid_to) == (driver, station, LATER)
    assert driver.name in browser.get(f"{home}payments/home-charging/").content.decode()


def test_b52_the_policy_on_meters_is_set_by_page_and_api(
    browser: Client, home: str, organization: Organization
) -> None:
    api = of(organization)
    before = api.get("/api/v1/organization/home-charging/").json()
    browser.post(f"{home}payments/home-charging/policy/", {})
    after = api.get("/api/v1/organization/home-charging/").json()
    api.patch("/api/v1/organization/home-charging/", {"mid_required": True}, format="json")

    assert (before, after) == ({"mid_required": True}, {"mid_required": False})
    assert home_agreements.mid_required(organization.pk)


def test_b53_an_agreement_with_a_host_is_made_and_ended_by_pages(
    browser: Client, home: str, town: BillingAccount, site: Site, organization: Organization
) -> None:
    body = {
        "account": str(town.pk), "site": site.name, "percent": "22.5", "currency": "EUR",
        "valid_from": str(SINCE), "tax": "standard", "tax_rate": "19", "tax_number": "12/345",
    }  # fmt: skip
    nowhere = browser.post(f"{home}payments/hosts/", {**body, "site": ""})
    made = browser.post(f"{home}payments/hosts/", body)
    agreement = HostAgreement.objects.get(organization=organization)
    ended = browser.post(f"{home}payments/hosts/{agreement.pk}/end/", {"valid_to": str(LATER)})
    agreement.refresh_from_db()

    assert (nowhere.status_code, made.status_code, ended.status_code) == (422, 302, 302)
    assert (agreement.account, agreement.site, agreement.valid_to) == (town, site, LATER)
    assert town.name in browser.get(f"{home}payments/hosts/").content.decode()


def test_b52_b53_agreements_are_made_read_and_ended_by_api(
    organization: Organization, driver: Driver, station: ChargingStation, town: BillingAccount, site: Site
) -> None:
    api = of(organization)
    made = api.post("/api/v1/home-agreements/", told(driver, station), format="json")
    again = api.post("/api/v1/home-agreements/", told(driver, station), format="json")
    share = {"account": str(town.pk), "site": str(site.pk), "percent": "22.5", "currency": "EUR",
             "valid_from": str(SINCE), "tax": "exempt"}  # fmt: skip
    host = api.post("/api/v1/host-agreements/", share, format="json")
    nowhere = api.post("/api/v1/host-agreements/", {**share, "site": None}, format="json")
    place = made.headers["Location"]
    ended = api.post(f"{place}end/", {"valid_to": str(LATER)}, format="json")

    assert (made.status_code, again.status_code, host.status_code) == (201, 409, 201), host.content
    assert nowhere.status_code == 400
    assert api.get(place).json()["valid_to"] == ended.json()["valid_to"] == str(LATER)
    assert api.get(host.headers["Location"]).json()["percent"] == "22.5000"
    assert [
        one["id"] for one in api.get("/api/v1/home-agreements/", {"search": driver.name}).json()["results"]
    ]
    assert api.get("/api/v1/host-agreements/", {"search": "nobody"}).json()["results"] == []


@pytest.mark.parametrize("days", [("0001-01-01", None), (str(SINCE), "9999-12-31")])
def test_b52_b53_days_out_of_all_reason_are_refused(
    organization: Organization,
    driver: Driver,
    station: ChargingStation,
    town: BillingAccount,
    days: tuple[str, str | None],
) -> None:
    api, (first, last) = of(organization), days
    home = told(driver, station, valid_from=first, valid_to=last)
    host = {"account": str(town.pk), "station": str(station.pk), "percent": "9", "currency": "EUR",
            "valid_from": first, "valid_to": last, "tax": "exempt"}  # fmt: skip
    answers = [
        api.post("/api/v1/home-agreements/", home, format="json"),
        api.post("/api/v1/host-agreements/", host, format="json"),
    ]

    assert [one.status_code for one in answers] == [400, 400]
    assert "2000 to 2199" in answers[1].content.decode()
    assert not HomeAgreement.objects.filter(organization=organization).exists()
    assert not HostAgreement.objects.filter(organization=organization).exists()


def test_b33_b34_the_page_says_who_cannot_be_paid_and_why(
    browser: Client,
    home: str,
    organization: Organization,
    driver: Driver,
    station: ChargingStation,
    charge: Charge,
) -> None:
    of(organization).post("/api/v1/home-agreements/", told(driver, station), format="json")
    Supplier.objects.filter(account__organization=organization).delete()
    charge(10_000, driver=driver)
    settle()
    page = browser.get(f"{home}invoices/runs/?period={THIS_MONTH}&kind=statements").content.decode()

    assert "Cannot be made" in page
    assert "not known how VAT is treated" in page
    assert "Nothing to invoice" not in page


def test_b33_a_month_that_no_calendar_goes_beyond_is_refused(organization: Organization) -> None:
    body = {"period": "9999-12", "kind": "statements", "dry_run": True}
    answer = of(organization).post("/api/v1/billing-runs/", body, format="json")

    assert answer.status_code == 400


def test_b52_an_agreement_needs_a_word_on_vat_and_the_right_scope(
    organization: Organization, driver: Driver, station: ChargingStation
) -> None:
    body = told(driver, station)
    del body["tax"]
    unsaid = of(organization).post("/api/v1/home-agreements/", body, format="json")
    reader = of(organization, "billing-accounts:read").post(
        "/api/v1/home-agreements/", told(driver, station), format="json"
    )

    assert (unsaid.status_code, reader.status_code) == (400, 403), unsaid.content
    assert not HomeAgreement.objects.filter(organization=organization).exists()


def test_b52_a_stranger_finds_and_makes_nothing(
    organization: Organization,
    driver: Driver,
    station: ChargingStation,
    home: str,
    viewer: Client,
    limited: Client,
) -> None:
    made = of(organization).post("/api/v1/home-agreements/", told(driver, station), format="json")
    stranger = of(factories.make_organization())
    charlie = browser_of(factories.make_member(factories.make_organization(), name="charlie").user)
    place = made.headers["Location"]

    assert stranger.get(place).status_code == 404
    assert stranger.post(f"{place}end/", {"valid_to": str(LATER)}, format="json").status_code == 404
    assert stranger.post("/api/v1/home-agreements/", told(driver, station), format="json").status_code == 400
    for client in (charlie, viewer, limited):
        assert client.get(f"{home}payments/home-charging/").status_code in (403, 404)
        assert client.get(f"{home}payments/hosts/").status_code in (403, 404)
        assert client.post(f"{home}payments/home-charging/policy/", {}).status_code in (403, 404)
    rows = HomeAgreement.objects.filter(organization=organization)
    assert rows.get().valid_to is None
    assert home_agreements.mid_required(organization.pk)


def test_b52_b33_statements_are_previewed_started_shown_and_paid_out(
    browser: Client,
    home: str,
    organization: Organization,
    driver: Driver,
    station: ChargingStation,
    charge: Charge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = of(organization)
    api.post("/api/v1/home-agreements/", told(driver, station), format="json")
    charge(10_000, driver=driver)
    settle()
    page = browser.get(f"{home}invoices/runs/?period={THIS_MONTH}&kind=statements").content.decode()
    body = {"period": THIS_MONTH, "kind": "statements"}
    seen = api.post("/api/v1/billing-runs/", {**body, "dry_run": True}, format="json").json()
    assert not Invoice.objects.filter(organization=organization).exists()
    when_over(monkeypatch, THIS_MONTH)
    run = browser.post(f"{home}invoices/runs/start/", {**body, "issue": "yes", "typed": THIS_MONTH})
    running.work()
    [row] = api.get("/api/v1/invoices/", {"document_type": "389"}).json()["results"]
    shown = api.get(f"/api/v1/invoices/{row['id']}/").json()
    documents.make_due()
    detail = browser.get(f"{home}invoices/{row['id']}/").content.decode()
    paid = {"paid_on": shown["issued_on"], "note": "Payroll"}
    first = browser.post(f"{home}invoices/{row['id']}/pay-out/", paid)
    second = api.post(f"/api/v1/invoices/{row['id']}/pay-out/", paid, format="json")

    assert driver.name in page
    assert [one["total"] for one in seen["documents"]] == ["3.00"]
    assert "statements" in browser.get(run["Location"]).content.decode()
    assert (row["kind"], row["total"]) == ("statement", "3.00")
    assert [line["amount_excl_vat"] for line in shown["lines"]] == ["3.00"]
    assert "Self-billed invoice" in detail
    assert "Payroll" not in detail
    assert "Record a payment" not in detail
    assert (first.status_code, second.status_code) == (302, 409)
    assert "Payroll" in browser.get(f"{home}invoices/{row['id']}/").content.decode()
    assert api.get(f"/api/v1/invoices/{row['id']}/").json()["status"] == "paid"
    assert "Self-billed" in browser.get(f"{home}invoices/").content.decode()


def test_b52_the_driver_sees_the_statement_as_money_to_get(
    organization: Organization, alice: Actor, station: ChargingStation, charge: Charge
) -> None:
    frida = factories.make_driver(alice, "Frida")
    user = factories.make_member(organization, name="frida").user
    Driver.objects.filter(pk=frida.pk).update(user=user)
    of(organization).post("/api/v1/home-agreements/", told(frida, station), format="json")
    charge(10_000, driver=frida)
    settle()
    api = of(organization)
    api.post("/api/v1/billing-runs/", {"period": THIS_MONTH, "kind": "statements"}, format="json")
    running.work()
    statement = Invoice.objects.get(organization=organization)
    own = browser_of(user)
    listed = own.get("/me/invoices/").content.decode()
    page = own.get(f"/me/invoices/{statement.pk}/").content.decode()

    assert "Paid to you" in listed
    assert "Self-billed invoice" in page
    assert "Still open" not in page
    assert accounts.of_driver(frida).kind == AccountKind.DRIVER
