"""A driver pays, fills the wallet, takes a card away and says where invoices go (driver 7, billing B-36, B-50)."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.models import BillingAccount, Buyer, Invoice, Payment, SavedMethod, Wallet
from billing.services import crediting, home_agreements, self_billing
from billing.services.home_agreements import Terms
from billing.services.payments import wallets
from billing.services.suppliers import Supply
from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization, User
from drivers.models import Driver
from drivers.services import drivers
from portal.driver import invoices
from stations.models import ChargingStation
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, charge, settle, station
from tests.billing.pages import alice, browser_of, member, organization
from tests.billing.payments.conftest import Issued, issued, stripe
from tests.billing.payments.stripe_standin import StandIn

__all__ = ["Charge", "alice", "charge", "issued", "member", "organization", "station", "stripe"]
pytestmark = pytest.mark.usefixtures("committed")


def with_account(by: Actor) -> Driver:
    user = User.objects.create_user(f"{factories.unique('dora')}@example.org", "x" * 12)
    return drivers.give_account(factories.make_driver(by, "Dora"), user, by=by)


@pytest.fixture
def dora(alice: Actor) -> Driver:
    return with_account(alice)


@pytest.fixture
def phone(dora: Driver) -> Client:
    return browser_of(dora.user)


@pytest.fixture
def eve(alice: Actor) -> Client:
    """Another driver of the same operator."""
    return browser_of(with_account(alice).user)


@pytest.fixture
def invoice(issued: Issued, dora: Driver) -> Invoice:
    return issued(driver=dora)


def paid_on_the_page(stripe: StandIn, phone: Client, answer: Any, *, save: bool = False) -> Payment:
    payment = Payment.objects.get(pk=answer["Location"].split("/")[-2])
    stripe.pay(payment.checkout, save=save)
    assert phone.post(f"{answer['Location']}look/").status_code == 302
    return Payment.objects.get(pk=payment.pk)


def test_an_invoice_is_paid_on_the_providers_page_and_told_from_here(
    phone: Client, stripe: StandIn, invoice: Invoice
) -> None:
    page = f"/me/invoices/{invoice.pk}/"
    assert f"{page}pay/" in phone.get(page).content.decode()
    asked, again = phone.post(f"{page}pay/"), phone.post(f"{page}pay/")
    assert asked["Location"] == again["Location"], "an open page for it is the same one"
    waiting = phone.get(asked["Location"])
    assert "https://checkout.stripe.test/" in waiting.content.decode()
    assert waiting["Refresh"] == "10"
    payment = Payment.objects.get(account=invoice.account)
    assert stripe.checkouts[payment.checkout]["wanted"]["success_url"].endswith(f"/me/payments/{payment.pk}/")

    assert paid_on_the_page(stripe, phone, asked).state == "received"
    done = phone.get(asked["Location"])
    assert "Paid. Thank you." in done.content.decode()
    assert "Refresh" not in done
    invoice.refresh_from_db()
    assert invoice.state == "paid"
    assert f"{page}pay/" not in phone.get(page).content.decode()
    assert phone.post(f"{page}pay/").status_code == 409


def test_a_provider_that_is_away_loses_nothing_and_is_said_to_be_asked(
    phone: Client, stripe: StandIn, invoice: Invoice
) -> None:
    stripe.break_with = [500] * 9
    asked = phone.post(f"/me/invoices/{invoice.pk}/pay/")
    told = phone.get(asked["Location"]).content.decode()
    assert "We are asking the payment provider." in told
    assert Payment.objects.get(account=invoice.account).calls.get().state == "open"


def test_without_a_provider_nothing_is_offered_and_asking_all_the_same_is_refused(
    phone: Client, invoice: Invoice, alice: Actor
) -> None:
    wallet = wallets.open_(invoice.account, by=alice)
    assert "/pay/" not in phone.get(f"/me/invoices/{invoice.pk}/").content.decode()
    assert "/top-up/" not in phone.get(f"/me/wallets/{wallet.pk}/").content.decode()
    assert phone.post(f"/me/invoices/{invoice.pk}/pay/").status_code == 409
    assert phone.post(f"/me/wallets/{wallet.pk}/top-up/", {"amount": "20"}).status_code == 409
    assert not Payment.objects.filter(account=invoice.account).exists()


def test_b51_a_wallet_is_filled_within_bounds_shows_its_limit_and_the_card_is_kept_and_taken_away(
    phone: Client, stripe: StandIn, invoice: Invoice, alice: Actor
) -> None:
    wallet = wallets.allow(wallets.open_(invoice.account, by=alice), Decimal(25), by=alice)
    page = f"/me/wallets/{wallet.pk}/"
    assert "25.00" in phone.get(page).content.decode()
    for wrong in ("4.99", "1000.01", "much", ""):
        assert phone.post(f"{page}top-up/", {"amount": wrong}).status_code == 422
    assert not Payment.objects.filter(account=invoice.account).exists()

    asked = phone.post(f"{page}top-up/", {"amount": "40.00", "save": "on"})
    assert paid_on_the_page(stripe, phone, asked, save=True).captured == 40
    assert (Wallet.objects.get(pk=wallet.pk).balance, "40.00" in phone.get(page).content.decode()) == (
        40,
        True,
    )
    card = SavedMethod.objects.get(account=invoice.account)
    assert card.label in phone.get("/me/invoices/").content.decode()
    assert phone.post(f"/me/payment-methods/{card.pk}/remove/").status_code == 302
    assert phone.post(f"/me/payment-methods/{card.pk}/remove/").status_code == 404
    assert card.label not in phone.get("/me/invoices/").content.decode()


def test_a_driver_says_where_invoices_go_and_a_session_leads_to_its_invoice(
    phone: Client, invoice: Invoice
) -> None:
    path = f"/me/payers/{invoice.account_id}/mail/"
    assert phone.post(path, {"email": "not an address"}).status_code == 422
    assert not Buyer.objects.filter(pk=invoice.account_id).exists()
    assert phone.post(path, {"email": "office@example.org"}).status_code == 302
    assert Buyer.objects.get(pk=invoice.account_id).email == "office@example.org"
    assert 'value="office@example.org"' in phone.get("/me/invoices/").content.decode()
    entry = AuditEntry.objects.get(action="buyer.changed", object_id=str(invoice.account_id))
    assert "office" not in str(entry.changes)
    session = invoice.lines.get().cdr.transaction_id
    assert f"/me/invoices/{invoice.pk}/" in phone.get(f"/me/sessions/{session}/").content.decode()


def test_d7_invoices_and_entries_of_the_wallet_go_on_where_the_page_before_ended(
    phone: Client,
    dora: Driver,
    stripe: StandIn,
    issued: Issued,
    alice: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(invoices, "AT_ONCE", 1)
    made = [issued(driver=dora)]
    made.append(crediting.credit(made[0], by=alice, reason="Charged twice"))

    seen, address = [], "/me/invoices/"
    while address:
        page = phone.get(address).content.decode()
        seen += [one.number for one in made if f"/me/invoices/{one.pk}/" in page]
        more = re.search(r'href="(\?before=[^"]+)"', page)
        address = f"/me/invoices/{more[1]}" if more else ""
    assert seen == [one.number for one in reversed(made)]
    assert phone.get("/me/invoices/?before=nothing").status_code == 200

    page = f"/me/wallets/{wallets.open_(made[0].account, by=alice).pk}/"
    for euros in ("20.00", "30.00"):
        paid_on_the_page(stripe, phone, phone.post(f"{page}top-up/", {"amount": euros}))
    newest = phone.get(page).content.decode()
    older = phone.get(page + re.findall(r'href="(\?before=[^"]+)"', newest)[0]).content.decode()
    assert ("30.00" in newest, "+ 20.00" in newest) == (True, False)
    assert "20.00" in older
    assert "?before=" not in older


def test_w01_another_driver_pays_fills_reads_and_changes_nothing_of_hers(
    phone: Client, eve: Client, stripe: StandIn, invoice: Invoice, alice: Actor, organization: Organization
) -> None:
    wallet = wallets.open_(invoice.account, by=alice)
    payment = Payment.objects.get(pk=phone.post(f"/me/invoices/{invoice.pk}/pay/")["Location"].split("/")[-2])
    card = SavedMethod.objects.create(
        account=invoice.account, provider="stripe", customer="cus_1", reference="pm_1", label="Visa 4242"
    )
    said = AuditEntry.objects.count()
    for path in (
        f"invoices/{invoice.pk}/pay/",
        f"wallets/{wallet.pk}/top-up/",
        f"payments/{payment.pk}/look/",
        f"payment-methods/{card.pk}/remove/",
        f"payers/{invoice.account_id}/mail/",
    ):
        answer = eve.post(f"/me/{path}", {"amount": "20.00", "email": "eve@example.org"})
        assert answer.status_code == 404, path
    assert eve.get(f"/me/payments/{payment.pk}/").status_code == 404
    assert card.label not in eve.get("/me/invoices/").content.decode()
    card.refresh_from_db()
    assert (card.removed_at, AuditEntry.objects.count()) == (None, said)
    assert not Buyer.objects.filter(pk=invoice.account_id).exists()
    assert Payment.objects.filter(organization=organization).count() == 1
    assert BillingAccount.objects.get(pk=invoice.account_id).driver_id is not None


def test_b52_a_session_at_home_shows_what_is_paid_for_it_and_no_price(
    phone: Client, eve: Client, dora: Driver, charge: Charge, station: ChargingStation, alice: Actor
) -> None:
    terms = Terms(
        rate_per_kwh=Decimal("0.30"), currency="EUR", valid_from=clock.now().date() - timedelta(days=9),
        meter_serial="M-1",
    )  # fmt: skip
    home_agreements.agree(dora, station, terms, supply=Supply(tax="none"), by=alice)
    session = charge(12_345, driver=dora)
    page = f"/me/sessions/{session.pk}/"
    before = phone.get(page).content.decode()
    settle()
    [statement] = self_billing.make(dora.billing_account, THIS_MONTH, by=alice)
    shown = phone.get(page).content.decode()

    assert "Paid to you" in before
    assert "Paid to you</dt><dd>€3.70" in shown or "Paid to you</dt><dd>3.70" in shown
    assert f"/me/invoices/{statement.pk}/" in shown
    assert statement.number in shown
    for told in (before, shown):
        assert "7.35" not in told
        assert 'id="price"' not in told
    listed = phone.get("/me/").content.decode()
    assert "Paid to you" in listed
    assert "7.35" not in listed
    assert eve.get(page).status_code == 404
