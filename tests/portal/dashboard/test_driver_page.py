"""A driver's page (dashboard 4.11): groups, tokens, ways to pay, invoices, consent; for who may see each."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from billing.models import (
    BillingException,
    Cause,
    Decision,
    DocumentType,
    Invoice,
    InvoiceKind,
    InvoiceState,
    SavedMethod,
)
from billing.services import accounts
from billing.services.payments import debits, wallets
from core import clock
from core.access import Actor, Role
from core.models import Organization
from drivers.models import Driver
from drivers.services import drivers, tokens
from portal.dashboard import drivers as page_of_drivers
from stations.models import ChargingStation, Transaction
from tests import factories
from tests.portal.dashboard.test_budget import queries

MONEY = ("Balance and payment", "RE-2026-7", "Visa 4242", "3000", "Agreed to pay more")


@pytest.fixture
def frida(actor: Actor) -> Driver:
    group = drivers.create_group(name="Staff", by=actor)
    return factories.make_driver(actor, "Frida Abend", email="frida@example.org", group=group)


@pytest.fixture
def session(organization: Organization, station: ChargingStation, frida: Driver) -> Transaction:
    now = clock.now()
    return Transaction.objects.create(
        organization=organization, site=station.site, station=station, reference="4711", driver=frida,
        token_value="04A2B6C8DA", started_at=now, last_event_at=now,
    )  # fmt: skip


@pytest.fixture
def money(organization: Organization, actor: Actor, frida: Driver, session: Transaction) -> Invoice:
    """An invoice, a wallet, a mandate, a card, and a consent to pay more."""
    account, today = accounts.of_driver(frida), clock.now().date()
    wallets.open_(account, by=actor)
    debits.sign(account, iban="DE89370400440532013000", holder="Frida", signed_on=today, by=actor)
    SavedMethod.objects.create(
        account=account, provider="stripe", customer="cus_1", reference="pm_1", label="Visa 4242"
    )
    BillingException.objects.create(
        organization=organization, site=session.site, transaction=session, cause=Cause.LATE_DATA,
        opened_at=clock.now(), decision=Decision.CORRECTED, consent="Called on Monday", decided_by="user:a",
        decided_at=clock.now(),
    )  # fmt: skip
    return Invoice.objects.create(
        organization=organization, account=account, kind=InvoiceKind.COLLECTIVE, period="2026-10",
        document_type=DocumentType.INVOICE, currency="EUR", basis="gross", state=InvoiceState.DRAFT,
    )  # fmt: skip


@pytest.fixture
def page(home: str, frida: Driver) -> Callable[[Client], str]:
    return lambda browser: browser.get(f"{home}drivers/{frida.pk}/").content.decode()


def test_the_page_shows_groups_and_tokens_masked_with_state_and_links(
    browser: Client, home: str, actor: Actor, frida: Driver, page: Callable[[Client], str]
) -> None:
    vans = tokens.create_group(name="Vans", by=actor)
    token = factories.make_token(actor, "04A2B6C8DA", driver=frida, group=vans, label="Key ring")
    tokens.block(token, reason="Loud", until=clock.now() + timedelta(days=1), by=actor)
    text = page(browser)

    assert f"{home}driver-groups/{frida.group_id}/" in text
    assert f"{home}token-groups/{vans.pk}/" in text
    assert f"{home}tokens/{token.pk}/" in text
    assert "…C8DA" in text
    assert "04A2B6C8DA" not in text
    assert "RFID (ISO 14443)" in text
    assert "until " in text


def test_the_page_shows_balance_payment_invoices_and_consent_with_links(
    browser: Client, home: str, session: Transaction, money: Invoice, page: Callable[[Client], str]
) -> None:
    text = page(browser)

    assert "0.00" in text.split('id="money-title"')[1].split("</section>")[0]
    assert "Visa 4242" in text
    assert "…3000" in text
    assert "Agreed to pay more: Called on Monday" in text
    assert "Agreed to direct debit" in text
    assert f"{home}invoices/{money.pk}/" in text
    assert "Draft" in text
    assert f"{home}payments/accounts/{money.account_id}/" in text
    assert f"{home}sessions/{session.pk}/" in text


def test_who_may_not_see_invoices_sees_the_driver_without_money(
    organization: Organization, browser_of, money: Invoice, page: Callable[[Client], str]
) -> None:
    text = page(browser_of(factories.make_member(organization, Role.SUPPORT, "sam")))

    assert "Frida Abend" in text
    assert "Consent" in text
    assert [one for one in MONEY if one in text] == []
    assert str(money.pk) not in text
    assert str(money.account_id) not in text


def test_a_driver_without_a_bill_has_no_account_and_the_page_makes_none(
    browser: Client, frida: Driver, page: Callable[[Client], str]
) -> None:
    assert "there is no payer" in page(browser)
    assert not hasattr(Driver.objects.get(pk=frida.pk), "billing_account")


def test_an_accepted_invitation_is_told(
    browser: Client, actor: Actor, frida: Driver, alice, page: Callable[[Client], str]
) -> None:
    now = clock.now()
    frida.invitations.create(
        organization=frida.organization, email=frida.email, digest=b"1" * 32, created_at=now,
        expires_at=now, accepted_at=now,
    )  # fmt: skip
    assert "Accepted the invitation" not in page(browser)
    drivers.give_account(frida, alice.user, by=actor)

    assert "Accepted the invitation to an account" in page(browser)


def test_many_tokens_are_shown_bounded_with_a_way_to_the_rest(
    browser: Client, home: str, actor: Actor, frida: Driver, page: Callable[[Client], str], monkeypatch
) -> None:
    monkeypatch.setattr(page_of_drivers, "TOKENS_SHOWN", 2)
    made = [factories.make_token(actor, driver=frida) for _ in range(3)]
    others = factories.make_token(actor)
    text, every = page(browser), browser.get(f"{home}tokens/?driver={frida.pk}").content.decode()

    assert f"{home}tokens/?driver={frida.pk}" in text
    assert sum(str(one.pk) in text for one in made) == 2
    assert all(one.value in every for one in made)
    assert others.value not in every


def test_the_sessions_of_a_driver_have_a_list_of_their_own(
    browser: Client, viewer: Client, charlie: Client, home: str, frida: Driver, session: Transaction,
    page: Callable[[Client], str],
) -> None:  # fmt: skip
    other = Transaction.objects.get(pk=session.pk)
    other.pk, other.reference, other.driver = None, "4712", None
    other.id = Transaction._meta.pk.get_default()
    other.save(force_insert=True)
    address = f"{home}sessions/?driver={frida.pk}"
    text = browser.get(address).content.decode()

    assert address in page(browser)
    assert str(session.pk) in text
    assert str(other.pk) not in text
    assert str(other.pk) in viewer.get(address).content.decode()  # who may not see drivers narrows to nobody
    assert charlie.get(address).status_code == 404


def test_a_driver_of_others_narrows_no_list(browser: Client, home: str, db: None) -> None:
    stranger = factories.make_driver(factories.make_actor(factories.make_organization()))

    assert browser.get(f"{home}sessions/?driver={stranger.pk}").status_code == 404
    assert browser.get(f"{home}tokens/?driver={stranger.pk}").status_code == 404
    assert browser.get(f"{home}drivers/{stranger.pk}/").status_code == 404


def test_the_queries_of_the_page_do_not_grow_with_what_it_shows(
    browser: Client, home: str, actor: Actor, frida: Driver, money: Invoice
) -> None:
    address = f"{home}drivers/{frida.pk}/"
    factories.make_token(actor, driver=frida)
    few = queries(browser, address)
    for month in range(1, 6):
        factories.make_token(actor, driver=frida)
        Invoice.objects.create(
            organization=money.organization, account=money.account, kind=InvoiceKind.COLLECTIVE,
            period=f"2026-0{month}", document_type=DocumentType.INVOICE, currency="EUR", basis="gross",
        )  # fmt: skip

    assert queries(browser, address) == few
