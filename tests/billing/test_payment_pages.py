"""Payments, payers, the provider's keys and a driver's invoices, as people see them (billing 9, dashboard 4.12)."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from billing.models import BankLine, Buyer, Invoice, Mandate, Payment, ProviderSettings, Refund, Wallet
from billing.services.payments import wallets
from core.access import Actor
from core.models import AuditEntry, Organization, User
from drivers.models import Driver
from drivers.services import drivers
from tests import factories
from tests.billing.conftest import THIS_MONTH
from tests.billing.pages import alice, browser, browser_of, limited, member, organization, viewer
from tests.billing.payments.conftest import PAYER_IBAN, Issued, issued, stripe
from tests.billing.payments.stripe_standin import KEY, SECRET, StandIn

__all__ = ["alice", "browser", "issued", "limited", "member", "organization", "stripe", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def home(organization: Organization) -> str:
    return f"/o/{organization.slug}/"


def received(browser: Client, home: str, invoice: Invoice, amount: str = "10.00") -> Any:
    values = {"invoice": invoice.number, "amount": amount, "received_on": f"{THIS_MONTH}-01"}
    return browser.post(f"{home}payments/record/", {**values, "method": "bank_transfer"})


def test_b46_a_payment_is_recorded_and_its_rest_refunded_within_bounds(
    browser: Client, home: str, issued: Issued
) -> None:
    invoice = issued()
    answer = received(browser, home, invoice)
    payment = Payment.objects.get(account=invoice.account)
    page = browser.get(answer["Location"]).content.decode()
    much = browser.post(f"{home}payments/{payment.pk}/refund/", {"amount": "10.01", "reason": "Twice"})
    fitting = browser.post(f"{home}payments/{payment.pk}/refund/", {"amount": "2.65", "reason": "Twice"})
    invoice.refresh_from_db()

    assert invoice.state == "paid"
    assert invoice.number in page
    assert "2.65" in page
    assert (much.status_code, fitting.status_code) == (422, 302)
    assert [f"{one.amount:.2f}" for one in Refund.objects.filter(payment=payment)] == ["2.65"]
    assert str(payment.pk) in browser.get(f"{home}payments/").content.decode()
    assert str(payment.pk) not in browser.get(f"{home}payments/?state=held").content.decode()


def test_an_invoice_that_is_not_there_is_named_at_its_field(
    browser: Client, home: str, issued: Issued
) -> None:
    invoice = issued()
    invoice.number = "1999-000001"

    assert received(browser, home, invoice).status_code == 422
    assert not Payment.objects.filter(account=invoice.account).exists()


def test_b46_a_statement_settles_by_reference_and_the_rest_waits_for_a_person(
    browser: Client, home: str, issued: Issued, organization: Organization
) -> None:
    first, second = issued(), issued()
    rows = f"{THIS_MONTH}-01;7.35;Invoice {first.number};Dora\n{THIS_MONTH}-01;3.00;Thanks;Nobody\n"
    file = SimpleUploadedFile("may.csv", b"date;amount;text;name\n" + rows.encode())
    answer = browser.post(f"{home}payments/bank/take-in/", {"file": file})
    lines = BankLine.objects.filter(organization=organization)
    line = lines.get(amount=3)

    assert answer.status_code == 302
    assert lines.count() == 2
    assert "Nobody" in browser.get(f"{home}payments/bank/").content.decode()
    matched = browser.post(f"{home}payments/bank/{line.pk}/decide/", {"invoice": second.number})
    again = browser.post(f"{home}payments/bank/{line.pk}/decide/", {"act": "leave", "reason": "Rent"})
    second.refresh_from_db()
    assert (matched.status_code, again.status_code, second.state) == (302, 409, "partly_paid")


def test_a_payer_gets_an_address_a_checked_vat_id_a_mandate_and_a_wallet(
    browser: Client, home: str, issued: Issued
) -> None:
    account = issued().account
    path = f"{home}payments/accounts/{account.pk}/"
    wrong = browser.post(path, {"country": "DE", "vat_id": "DE136695977"})
    right = browser.post(path, {"name": "Kai AG", "country": "DE", "vat_id": "DE136695976"})
    unsigned = browser.post(f"{path}mandate/", {"iban": "DE00", "holder": "Dora", "type_": "CORE"})
    assert unsigned.status_code == 422
    assert 'value="Kai AG"' in unsigned.content.decode(), "what is kept stays in its form"
    mandate = {"iban": PAYER_IBAN, "holder": "Dora", "signed_on": f"{THIS_MONTH}-01", "type_": "CORE"}
    signed = browser.post(f"{path}mandate/", mandate)
    browser.post(f"{path}wallet/")
    page = browser.get(path).content.decode()

    assert (wrong.status_code, right.status_code, signed.status_code) == (422, 302, 302)
    assert Buyer.objects.get(account=account).vat_id == "DE136695976"
    assert Mandate.objects.get(account=account).state == "active"
    assert "…4300" in page
    assert PAYER_IBAN not in page
    assert Wallet.objects.filter(account=account).count() == 1
    assert browser.post(f"{path}mandate/stop/").status_code == 302
    assert Mandate.objects.get(account=account).state == "stopped"


def test_k05_keys_of_the_provider_are_written_and_never_shown_and_tested_for_real(
    browser: Client, home: str, stripe: StandIn, organization: Organization
) -> None:
    path = f"{home}settings/payments/"
    kept = browser.post(path, {"key": "", "webhook_secret": "", "hold_amount": "45"})
    tested = browser.post(f"{path}test/", follow=True).content.decode()
    page = browser.get(path).content.decode()

    assert kept.status_code == 302
    assert ProviderSettings.objects.get(pk=organization.pk).hold_amount == 45
    assert "The provider answers" in tested
    assert KEY not in page
    assert SECRET not in page
    browser.post(f"{path}forget/")
    assert not ProviderSettings.objects.filter(pk=organization.pk).exists()


def test_w01_strangers_and_limited_members_reach_none_of_it(
    browser: Client, limited: Client, viewer: Client, home: str, issued: Issued, organization: Organization
) -> None:
    invoice = issued()
    received(browser, home, invoice)
    payment = Payment.objects.get(account=invoice.account)
    said = AuditEntry.objects.filter(organization=organization).count()

    for path in (f"payments/{payment.pk}/", f"payments/accounts/{invoice.account_id}/"):
        assert limited.get(f"{home}{path}").status_code == 404
        assert viewer.get(f"{home}{path}").status_code == 403
    for path in ("payments/record/", "settings/payments/"):
        assert limited.get(f"{home}{path}").status_code == 403
    refund = {"amount": "1.00", "reason": "Mine"}
    assert limited.post(f"{home}payments/{payment.pk}/refund/", refund).status_code == 404
    assert viewer.post(f"{home}payments/{payment.pk}/refund/", refund).status_code == 403
    assert str(payment.pk) not in limited.get(f"{home}payments/").content.decode()
    assert not Refund.objects.filter(payment=payment).exists()
    assert AuditEntry.objects.filter(organization=organization).count() == said


@pytest.fixture
def dora(alice: Actor) -> Driver:
    return with_account(alice)


def with_account(by: Actor) -> Driver:
    user = User.objects.create_user(f"{factories.unique('dora')}@example.org", "x" * 12)
    return drivers.give_account(factories.make_driver(by, "Dora"), user, by=by)


def test_a_driver_sees_the_own_invoices_and_wallet_and_nobody_elses(
    alice: Actor, dora: Driver, issued: Issued
) -> None:
    own, other = issued(driver=dora), issued(driver=with_account(alice))
    wallet = wallets.open_(own.account, by=alice)
    hers = wallets.open_(other.account, by=alice)
    phone = browser_of(dora.user)
    listed = phone.get("/me/invoices/").content.decode()
    page = phone.get(f"/me/invoices/{own.pk}/").content.decode()

    assert own.number in listed
    assert f"/me/wallets/{wallet.pk}/" in listed
    assert str(other.pk) not in listed
    assert "7.35" in page
    assert phone.get(f"/me/wallets/{wallet.pk}/").status_code == 200
    assert phone.get(f"/me/invoices/{other.pk}/").status_code == 404
    assert phone.get(f"/me/wallets/{hers.pk}/").status_code == 404
