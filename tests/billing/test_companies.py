"""A company pays for its drivers: one invoice a month, by cost centre where it asks for that (billing B-18)."""

from datetime import timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from django.db import IntegrityError
from django.test import Client
from django.utils.html import escape
from rest_framework.test import APIClient

from billing.documents import figures, pdf
from billing.models import BillingAccount, Cdr, CompanyMember, Invoice
from billing.services import (
    accounts,
    companies,
    crediting,
    documents,
    drafting,
    erasing,
    issuing,
    merging,
    running,
    snapshots,
)
from billing.services.payments import wallets
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from drivers.models import Driver
from stations.models import ChargingStation
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, Host, settle
from tests.billing.pages import browser_of
from tests.factories import sessions
from tests.portal.api.conftest import client_with, results

pytestmark = pytest.mark.usefixtures("committed")
RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"
CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def kurier(host: Host) -> BillingAccount:
    """A company with an address."""
    return host("Kurier Nord GmbH")


def member(account: BillingAccount, by: Actor, name: str, cost_centre: str = "", *, days: int = 1) -> Driver:
    """A driver whom the company has paid for since some days."""
    driver = factories.make_driver(by, name)
    made = companies.join(account, driver, cost_centre=cost_centre, by=by)
    CompanyMember.objects.filter(pk=made.pk).update(since=clock.now() - timedelta(days=days))
    return driver


def asks_for_cost_centres(account: BillingAccount) -> None:
    account.buyer.by_cost_centre = True
    account.buyer.save()


def run(organization: Organization, by: Actor) -> None:
    running.start(organization, THIS_MONTH, issue=True, by=by)
    running.work()


def test_b18_the_sessions_of_a_companys_drivers_are_on_one_invoice_of_the_company(
    charge: Charge, kurier: BillingAccount, alice: Actor, organization: Organization
) -> None:
    ends = [charge(wh, driver=member(kurier, alice, name)) for name, wh in (("Dora", 4000), ("Emil", 2000))]
    own = charge(1000)
    settle()
    run(organization, alice)

    invoice = Invoice.objects.get(account=kurier)
    assert {line.cdr.transaction_id for line in invoice.lines.all()} == {one.pk for one in ends}
    assert invoice.due == Decimal("3.57")
    assert invoice.snapshot["buyer"]["name"] == "Kurier Nord GmbH"
    assert "by_cost_centre" not in invoice.snapshot
    assert Invoice.objects.filter(organization=organization).exclude(pk=invoice.pk).get().lines.get().cdr \
        .transaction_id == own.pk  # fmt: skip


def test_b18_who_pays_is_decided_by_the_start_of_the_session(
    charge: Charge, kurier: BillingAccount, alice: Actor
) -> None:
    driver = factories.make_driver(alice)
    before = charge(1000, driver=driver, minutes=30)
    made = companies.join(kurier, driver, cost_centre="Sales", by=alice)
    CompanyMember.objects.filter(pk=made.pk).update(since=clock.now() - timedelta(minutes=20))
    within = charge(2000, driver=driver, minutes=10)
    companies.leave(kurier, driver, by=alice)
    settle()

    own, theirs = (Cdr.objects.get(transaction=one) for one in (before, within))
    assert own.account == driver.billing_account
    assert "cost_centre" not in own.content
    assert (theirs.account, theirs.content["cost_centre"]) == (kurier, "Sales")


def test_b18_the_invoice_is_grouped_by_cost_centre_in_every_form(
    charge: Charge, kurier: BillingAccount, alice: Actor, organization: Organization, api: APIClient
) -> None:
    asks_for_cost_centres(kurier)
    for name, centre, wh in (("Dora", "Sales", 4000), ("Emil", "Depot", 2000), ("Fay", "Sales", 1000)):
        charge(wh, driver=member(kurier, alice, name, centre))
    charge(3000, driver=member(kurier, alice, "Gus"))
    settle()
    run(organization, alice)
    invoice = Invoice.objects.get(account=kurier)
    assert [one["cost_centre"] for one in told(api, invoice)["cost_centres"]] == ["Depot", "Sales", ""]
    assert [one["sessions"] for one in told(api, invoice)["cost_centres"]] == [1, 2, 1]
    assert sum(Decimal(one["amount"]) for one in told(api, invoice)["cost_centres"]) == invoice.due
    assert sum(Decimal(one["amount_excl_vat"]) for one in told(api, invoice)["cost_centres"]) == invoice.net
    assert [one["cost_centre"] for one in told(api, invoice)["lines"]] == ["", "Depot", "Sales", "Sales"]

    html = pdf.page(figures.of(snapshots.opened(invoice.snapshot)))
    assert html.index("Cost centre Depot") < html.index("Sum of Depot") < html.index("Cost centre Sales")
    assert html.index("Sum of Sales") < html.index("Without a cost centre")
    cii = ElementTree.fromstring(documents.render(invoice, "cii"))
    booked = [one.findtext(f"{RAM}ID") for one in cii.iter(f"{RAM}ReceivableSpecifiedTradeAccountingAccount")]
    ubl = ElementTree.fromstring(documents.render(invoice, "ubl"))
    assert booked == [one.text for one in ubl.iter(f"{CBC}AccountingCost")] == ["Depot", "Sales", "Sales"]
    assert documents.render(invoice, "pdf").startswith(b"%PDF")


def test_b18_a_changed_cost_centre_holds_for_sessions_that_begin_after_it(
    charge: Charge, kurier: BillingAccount, alice: Actor
) -> None:
    driver = member(kurier, alice, "Dora", "Sales")
    begun = charge(1000, driver=driver, minutes=5)
    companies.join(kurier, driver, cost_centre="Depot", by=alice)
    CompanyMember.objects.present().filter(driver=driver).update(since=clock.now())
    settle()

    assert Cdr.objects.get(transaction=begun).content["cost_centre"] == "Sales"
    assert companies.member_at(driver, clock.now()).cost_centre == "Depot"
    assert CompanyMember.objects.filter(driver=driver).count() == 2


def test_b18_joining_again_just_so_changes_nothing(kurier: BillingAccount, alice: Actor) -> None:
    driver = factories.make_driver(alice)
    first = companies.join(kurier, driver, cost_centre="Sales", by=alice)
    assert companies.join(kurier, driver, cost_centre=" Sales ", by=alice) == first
    assert AuditEntry.objects.filter(action="company_member.joined", object_id=str(first.pk)).count() == 1


def test_b18_the_database_lets_one_company_at_a_time_pay(
    kurier: BillingAccount, host: Host, alice: Actor
) -> None:
    driver = member(kurier, alice, "Dora")
    with pytest.raises(IntegrityError):
        CompanyMember.objects.create(
            account=host("Other"), driver=driver, since=clock.now(), made_by="somebody"
        )


def test_b18_only_a_company_pays_for_drivers(charge: Charge, kurier: BillingAccount, alice: Actor) -> None:
    driver = factories.make_driver(alice)
    charge(1000, driver=driver)
    settle()
    with pytest.raises(Invalid, match="company"):
        companies.join(driver.billing_account, factories.make_driver(alice), by=alice)
    with pytest.raises(Invalid, match="50 characters"):
        companies.join(kurier, driver, cost_centre="x" * 51, by=alice)
    with pytest.raises(Conflict, match="does not pay"):
        companies.leave(kurier, driver, by=alice)
    assert not CompanyMember.objects.filter(driver=driver).exists()


def test_b18_a_company_pays_for_no_driver_of_strangers_and_strangers_change_nothing(
    kurier: BillingAccount, alice: Actor, organization: Organization
) -> None:
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    theirs, ours = factories.make_driver(charlie), factories.make_driver(alice)
    viewer = factories.make_actor(organization, Role.VIEWER, name="vera")
    for account, driver, by, error in (
        (kurier, theirs, alice, NotFound),
        (kurier, ours, charlie, NotFound),
        (kurier, ours, viewer, NotPermitted),
    ):
        with pytest.raises(error):
            companies.join(account, driver, by=by)
    assert not CompanyMember.objects.filter(account=kurier).exists()


def test_b50_the_wallet_of_a_driver_sets_nothing_aside_for_what_a_company_pays(
    kurier: BillingAccount, alice: Actor, station: ChargingStation
) -> None:
    driver = member(kurier, alice, "Dora")
    wallet = wallets.open_(accounts.of_driver(driver), by=alice)
    token = factories.make_token(alice, driver=driver)
    session = sessions.begin(station, token=token.value, minutes=1)
    wallets.watch()

    wallet.refresh_from_db()
    assert wallet.reserved == 0
    assert not hasattr(session, "wallet_reservation")


def test_b18_a_corrected_record_keeps_its_company_and_cost_centre(
    charge: Charge, kurier: BillingAccount, alice: Actor, organization: Organization
) -> None:
    driver = member(kurier, alice, "Dora", "Sales")
    charge(4000, driver=driver)
    settle()
    run(organization, alice)
    invoice = Invoice.objects.get(account=kurier)
    companies.leave(kurier, driver, by=alice)
    note = crediting.credit(invoice, by=alice, reason="Wrong price")
    assert note.lines.get().cdr.content["cost_centre"] == "Sales"
    assert note.snapshot["lines"][0]["cost_centre"] == "Sales"
    assert note.account == kurier


def test_b18_merging_takes_the_company_along_and_is_refused_between_two(
    kurier: BillingAccount, host: Host, alice: Actor
) -> None:
    kept, twin = factories.make_driver(alice), member(kurier, alice, "Twin", "Sales")
    merging.merge(kept, twin, by=alice)
    [present] = CompanyMember.objects.present().filter(account=kurier)
    assert (present.driver, present.cost_centre) == (kept, "Sales")

    assert companies.member_at(kept, clock.now() - timedelta(hours=12)) is not None, (
        "for what is told of later"
    )
    assert CompanyMember.objects.filter(account=kurier).count() == 1

    other = member(host("Other"), alice, "Other driver")
    with pytest.raises(Conflict, match="not alike"):
        merging.merge(kept, other, by=alice)


def test_b13_nothing_is_billed_to_a_company_that_is_staff(
    charge: Charge, kurier: BillingAccount, alice: Actor
) -> None:
    kurier.buyer.staff = True
    kurier.buyer.save()
    session = charge(4000, driver=member(kurier, alice, "Dora"))
    settle()
    assert (session.settlement.outcome, session.settlement.reason) == ("not_billable", "staff")
    assert not session.cdrs.exists()


def test_b18_who_is_forgotten_is_paid_for_no_more(kurier: BillingAccount, alice: Actor) -> None:
    driver = member(kurier, alice, "Dora")
    erasing.erase(driver, by=alice)
    assert not CompanyMember.objects.present().filter(driver=driver).exists()


# By page and API


@pytest.fixture
def api(organization: Organization) -> APIClient:
    return client_with(factories.make_key(organization))


def told(api: APIClient, invoice: Invoice) -> dict:
    answer: dict = api.get(f"/api/v1/invoices/{invoice.pk}/").json()
    return answer


def test_b18_drivers_of_a_company_are_added_and_taken_out_by_the_api(
    api: APIClient, kurier: BillingAccount, alice: Actor
) -> None:
    driver = factories.make_driver(alice, "Dora Driver")
    path = f"/api/v1/billing-accounts/{kurier.pk}/"
    added = api.post(
        f"{path}drivers/", {"driver": str(driver.pk), "cost_centre": "Sales"}, format="json",
        headers={"Idempotency-Key": "one"},
    )  # fmt: skip
    assert added.status_code == 201
    assert results(api.get(f"{path}drivers/")) == [added.json()]
    assert (added.json()["name"], added.json()["cost_centre"]) == ("Dora Driver", "Sales")
    assert results(api.get(f"{path}drivers/?search=nobody")) == []
    changed = api.patch(path, {"by_cost_centre": True}, format="json")
    assert changed.json()["buyer"]["by_cost_centre"] is True

    assert api.delete(f"{path}drivers/{driver.pk}/").status_code == 204
    assert api.delete(f"{path}drivers/{driver.pk}/").status_code == 404
    assert results(api.get(f"{path}drivers/")) == []


def test_b18_strangers_neither_see_nor_change_a_companys_drivers(
    kurier: BillingAccount, alice: Actor
) -> None:
    driver = member(kurier, alice, "Dora")
    stranger = client_with(factories.make_key(factories.make_organization()))
    path = f"/api/v1/billing-accounts/{kurier.pk}/drivers/"
    assert stranger.get(path).status_code == 404
    assert stranger.post(path, {"driver": str(driver.pk)}, format="json").status_code in (400, 404)
    assert stranger.delete(f"{path}{driver.pk}/").status_code == 404
    assert CompanyMember.objects.present().filter(driver=driver).count() == 1


def test_b18_drivers_are_added_on_the_companys_page_and_the_invoice_shows_the_cost_centres(
    kurier: BillingAccount, alice: Actor, organization: Organization, charge: Charge
) -> None:
    browser = browser_of(factories.make_member(organization).user)
    driver = factories.make_driver(alice, "Dora Driver")
    page = f"/o/{organization.slug}/payments/accounts/{kurier.pk}/"
    assert "Dora Driver" in browser.get(f"{page}?driver=dora").content.decode()
    browser.post(f"{page}drivers/", {"driver": str(driver.pk), "cost_centre": "Sales"})
    [row] = CompanyMember.objects.present().filter(driver=driver)
    assert row.cost_centre == "Sales"
    assert 'value="Sales"' in browser.get(page).content.decode()
    theirs = browser.get(f"/o/{organization.slug}/drivers/{driver.pk}/").content.decode()
    assert "Kurier Nord GmbH" in theirs

    CompanyMember.objects.filter(pk=row.pk).update(since=clock.now() - timedelta(days=1))
    asks_for_cost_centres(kurier)
    charge(4000, driver=driver)
    settle()
    [draft] = drafting.draft(kurier, THIS_MONTH, by=alice)
    issuing.issue(draft, by=alice)
    shown = browser.get(f"/o/{organization.slug}/invoices/{draft.pk}/").content.decode()
    assert "Cost centres" in shown
    assert escape("Sales") in shown

    browser.post(f"{page}drivers/", {"driver": str(driver.pk), "act": "leave"})
    assert not CompanyMember.objects.present().filter(driver=driver).exists()


def test_b18_viewers_and_strangers_change_no_company_on_its_page(
    kurier: BillingAccount, alice: Actor, organization: Organization
) -> None:
    driver = factories.make_driver(alice)
    page = f"/o/{organization.slug}/payments/accounts/{kurier.pk}/drivers/"
    viewer = browser_of(factories.make_member(organization, Role.VIEWER, "vera").user)
    stranger = browser_of(factories.make_member(factories.make_organization(), Role.ADMIN, "charlie").user)
    assert viewer.post(page, {"driver": str(driver.pk)}).status_code == 403
    assert stranger.post(page, {"driver": str(driver.pk)}).status_code == 404
    assert Client().post(page, {"driver": str(driver.pk)}).status_code == 302
    assert not CompanyMember.objects.filter(driver=driver).exists()
