"""Bank account, bookings, debit files and tables, as billing staff use them (billing B-42 to B-50)."""

import csv
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import translation

from billing.models import (
    BankDetails,
    BankLine,
    BillingAccount,
    DebitFile,
    DebitItem,
    Invoice,
    Method,
    Payment,
    Wallet,
)
from billing.services.payments import debits, receiving, references, wallets
from billing.services.payments.bookings import Note
from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization
from portal.dashboard.sentences import told
from tests import factories
from tests.billing.conftest import THIS_MONTH
from tests.billing.pages import alice, browser, browser_of, limited, member, organization, viewer
from tests.billing.payments.camt_files import camt, collective, part
from tests.billing.payments.conftest import COLLECT_ON, IBAN, PAYER_IBAN, Issued, bank, issued, sign

__all__ = ["alice", "bank", "browser", "issued", "limited", "member", "organization", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def home(organization: Organization) -> str:
    return f"/o/{organization.slug}/"


@pytest.fixture
def collectable(bank: None, issued: Issued) -> Invoice:
    """An invoice of a payer with a mandate."""
    return issued("Dora Debit", mandate={"holder": "Dora"})


@pytest.fixture
def booking(browser: Client, home: str, organization: Organization) -> BankLine:
    """Nobody knows what it pays."""
    rows = f"date;amount;text;name\n{THIS_MONTH}-01;10.00;Thanks;Nobody\n".encode()
    browser.post(f"{home}payments/bank/take-in/", {"file": SimpleUploadedFile("may.csv", rows)})
    return BankLine.objects.get(organization=organization)


def test_b46_the_bank_account_is_entered_and_a_wrong_iban_is_told_at_its_field(
    browser: Client, viewer: Client, limited: Client, home: str, organization: Organization
) -> None:
    path, values = f"{home}settings/bank/", {"holder": "Yard GmbH", "notice_days": "10"}
    assert browser.get(path).status_code == 200
    wrong = browser.post(path, {**values, "iban": "DE00370400440532013000"})
    assert (wrong.status_code, "This is no IBAN" in wrong.content.decode()) == (422, True)
    for client in (viewer, limited):
        assert client.post(path, {**values, "iban": IBAN}).status_code == 403
    assert not BankDetails.objects.filter(pk=organization.pk).exists()
    assert (
        browser.post(path, {**values, "iban": IBAN, "creditor_id": "DE98ZZZ09999999999"}).status_code == 302
    )
    kept = BankDetails.objects.get(pk=organization.pk)
    assert (kept.iban, kept.notice_days, kept.first_as_frst) == (IBAN, 10, False)
    assert IBAN in browser.get(path).content.decode()


def test_b46_a_booking_without_an_invoice_becomes_the_credit_of_the_payer_who_is_named_and_settles_later(
    browser: Client, home: str, booking: BankLine, issued: Issued
) -> None:
    invoice = issued("Nora Named")
    path = f"{home}payments/bank/{booking.pk}/payer/"
    assert path in browser.get(f"{home}payments/bank/").content.decode()
    assert str(invoice.account_id) in browser.get(f"{path}?payer=nora").content.decode()
    assert browser.post(path, {}).status_code == 422
    given = browser.post(path, {"account": str(invoice.account_id)})
    payment = Payment.objects.get(account=invoice.account)
    again = browser.post(path, {"account": str(invoice.account_id)})

    assert (given["Location"], again.status_code) == (f"{home}payments/{payment.pk}/", 409)
    assert (payment.captured, payment.method) == (10, Method.BANK_TRANSFER)
    page = browser.get(given["Location"]).content.decode()
    assert f'value="{invoice.pk}"' in page
    assert "Set aside" not in page, "a transfer sets nothing aside"
    settled = browser.post(f"{home}payments/{payment.pk}/settle/", {"invoice": str(invoice.pk)})
    invoice.refresh_from_db()
    assert (settled.status_code, invoice.state) == (302, "paid")
    assert (
        browser.post(f"{home}payments/{payment.pk}/settle/", {"invoice": str(invoice.pk)}).status_code == 409
    )


def test_b46_a_payment_of_an_unknown_payer_is_given_to_one_once(
    browser: Client, home: str, issued: Issued, alice: Actor, organization: Organization
) -> None:
    account = issued("Paula Paid").account
    payment = receiving.book(
        organization_id=organization.pk, account=None, amount=Decimal(5), currency="EUR",
        method=Method.BANK_TRANSFER, received_on=clock.now().date(), by=alice,
    )  # fmt: skip
    path = f"{home}payments/{payment.pk}/"
    assert "Paula Paid" in browser.get(f"{path}?payer=paula").content.decode()
    assert browser.post(f"{path}payer/", {"account": str(account.pk)}).status_code == 302
    assert browser.post(f"{path}payer/", {"account": str(account.pk)}).status_code == 409
    payment.refresh_from_db()
    assert payment.account_id == account.pk


def test_b44_a_debit_file_is_previewed_made_downloaded_and_closed(
    browser: Client, home: str, collectable: Invoice, organization: Organization
) -> None:
    path, asked = f"{home}payments/debits/", {"collect_on": COLLECT_ON.isoformat(), "type_": "CORE"}
    seen = browser.get(path, asked).content.decode()
    assert collectable.number in seen
    assert not DebitFile.objects.filter(organization=organization).exists()
    made = browser.post(path, asked)
    row = DebitFile.objects.get(organization=organization)
    again = browser.post(path, asked)

    assert (made["Location"], again.status_code) == (f"{path}{row.pk}/", 422)
    assert "nothing to collect" in again.content.decode()
    page = browser.get(made["Location"]).content.decode()
    assert (collectable.number in page, PAYER_IBAN in page) == (True, False)
    file = browser.post(f"{path}{row.pk}/download/")
    assert (file["Content-Type"], PAYER_IBAN.encode() in file.content) == ("application/xml", True)
    assert AuditEntry.objects.filter(action="debit_file.fetched", object_id=str(row.pk)).count() == 1
    assert browser.post(f"{path}{row.pk}/decide/", {"act": "burn"}).status_code == 422
    assert browser.post(f"{path}{row.pk}/decide/", {"act": "collected"}).status_code == 302
    assert browser.post(f"{path}{row.pk}/decide/", {"act": "discard"}).status_code == 409
    collectable.refresh_from_db()
    row.refresh_from_db()
    assert (collectable.state, row.state) == ("paid", "collected")
    assert row.message_id in browser.get(path).content.decode()


def test_b44_what_is_owed_and_not_collected_says_why_and_is_announced_by_mail(
    browser: Client, viewer: Client, limited: Client, home: str, bank: None, issued: Issued, alice: Actor
) -> None:
    driver = factories.make_driver(alice, "Ulla Untold", email="ulla@example.org")
    invoice = issued(driver=driver)
    early = issued("Eva Early", mandate={})
    sign(invoice.account, alice)
    path, asked = (
        f"{home}payments/debits/",
        {"collect_on": (COLLECT_ON - timedelta(days=21)).isoformat(), "type_": "CORE"},
    )
    page = browser.get(path, asked).content.decode()
    announce = f"{path}{invoice.pk}/announce/"
    assert ("was not told of this debit" in page, "was told a later day" in page) == (True, True)
    assert (announce in page, f"{path}{early.pk}/announce/" in page) == (True, False)
    german = browser.get(path, asked, headers={"Accept-Language": "de"}).content.decode()
    assert "nicht angekündigt" in german

    stranger = factories.make_member(factories.make_organization(demo=True), name="charlie")
    theirs = f"/o/{stranger.organization.slug}/payments/debits/{invoice.pk}/announce/"
    assert (viewer.post(announce).status_code, limited.post(announce).status_code) == (403, 404)
    assert browser_of(stranger.user).post(theirs).status_code == 404
    assert not invoice.debit_notices.exists()
    assert browser.post(announce).status_code == 302
    assert browser.post(announce).status_code == 409
    assert invoice.debit_notices.get().made_by.startswith("user:")
    waits = browser.get(path, asked).content.decode()
    assert ("Announcement: Waiting" in waits, announce in waits) == (True, False)


def test_b46_why_a_booking_waits_is_told_in_the_language_of_the_page(
    browser: Client, home: str, issued: Issued, alice: Actor
) -> None:
    first, second = issued(), issued()
    batch = collective("10.35", *(part(references.reference_of(one)) for one in (first, second)))
    browser.post(f"{home}payments/bank/take-in/", {"file": SimpleUploadedFile("may.xml", camt(batch))})
    path = f"{home}payments/bank/"
    assert "do not add up" in browser.get(path).content.decode()
    assert "mehrere Zahlungen" in browser.get(path, headers={"Accept-Language": "de"}).content.decode()
    with translation.override("de"):
        assert [one for one in Note if told(one) == one] == []


def test_b44_a_day_that_is_none_and_a_missing_account_are_told(
    browser: Client, home: str, organization: Organization
) -> None:
    path = f"{home}payments/debits/"
    assert "until the bank account" in browser.get(path).content.decode()
    assert browser.get(f"{path}?collect_on=someday").status_code == 200
    refused = browser.post(path, {"collect_on": COLLECT_ON.isoformat(), "type_": "CORE"})
    assert (refused.status_code, "creditor id first" in refused.content.decode()) == (422, True)
    assert not DebitFile.objects.filter(organization=organization).exists()


def test_the_list_of_invoices_is_a_table_with_the_filters_of_the_page(
    browser: Client, home: str, issued: Issued, organization: Organization
) -> None:
    first, second = issued("=HYPERLINK(1)"), issued("Kai")
    Invoice.objects.filter(pk=second.pk).update(state="paid")
    answer = browser.get(f"{home}invoices/export/csv/?state=issued")
    rows = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))  # type: ignore[attr-defined]

    assert [(row["number"], row["payer"], row["due"]) for row in rows] == [
        (first.number, "'=HYPERLINK(1)", "7.35")
    ]
    assert (
        f"{home}invoices/export/csv/?q=kai&amp;state=paid"
        in browser.get(f"{home}invoices/?q=kai&state=paid").content.decode()
    )
    assert AuditEntry.objects.filter(organization=organization, action="list.exported").count() == 1


def test_b50_a_company_is_opened_and_how_far_a_wallet_goes_below_nothing_is_set(
    browser: Client, home: str, organization: Organization, alice: Actor
) -> None:
    path = f"{home}payments/accounts/"
    values = {"name": "Kai  AG", "time_zone": "Europe/Berlin"}
    assert browser.post(f"{path}new/", {**values, "name": " "}).status_code == 422
    made = browser.post(f"{path}new/", values)
    account = BillingAccount.objects.get(organization=organization, kind="company")
    assert (made["Location"], account.name) == (f"{path}{account.pk}/", "Kai AG")
    assert browser.post(f"{path}{account.pk}/limit/", {"credit_limit": "50"}).status_code == 404
    wallet = wallets.open_(account, by=alice)
    for wrong in ("-1", "1.005", "much"):
        assert browser.post(f"{path}{account.pk}/limit/", {"credit_limit": wrong}).status_code == 422
    assert browser.post(f"{path}{account.pk}/limit/", {"credit_limit": "50.00"}).status_code == 302
    wallet.refresh_from_db()
    assert (wallet.credit_limit, wallet.available) == (50, 50)
    assert "50.00" in browser.get(f"{path}{account.pk}/").content.decode()


def test_w01_strangers_limited_members_and_viewers_decide_nothing_of_it(
    collectable: Invoice, booking: BankLine, viewer: Client, limited: Client, home: str, alice: Actor,
    organization: Organization,
) -> None:  # fmt: skip
    wallet = wallets.open_(collectable.account, by=alice)
    row = debits.make_file(organization, COLLECT_ON, by=alice)
    payment = receiving.book(
        organization_id=organization.pk, account=None, amount=Decimal(5), currency="EUR",
        method=Method.BANK_TRANSFER, received_on=clock.now().date(), by=alice,
    )  # fmt: skip
    other = factories.make_member(factories.make_organization(demo=True), name="charlie")
    stranger, theirs = browser_of(other.user), f"/o/{other.organization.slug}/"
    acts = {
        f"payments/bank/{booking.pk}/payer/": {"account": str(collectable.account_id)},
        f"payments/{payment.pk}/payer/": {"account": str(collectable.account_id)},
        f"payments/{payment.pk}/settle/": {"invoice": str(collectable.pk)},
        f"payments/{payment.pk}/retry/": {},
        f"payments/debits/{row.pk}/download/": {},
        f"payments/debits/{row.pk}/decide/": {"act": "collected"},
        f"payments/accounts/{collectable.account_id}/limit/": {"credit_limit": "9"},
    }
    for path, values in acts.items():
        assert limited.post(f"{home}{path}", values).status_code == 404, path
        assert viewer.post(f"{home}{path}", values).status_code == 403, path
        assert stranger.post(f"{theirs}{path}", values).status_code == 404, path
    company = {"name": "Mine", "time_zone": "Europe/Berlin"}
    asked = {"collect_on": COLLECT_ON.isoformat(), "type_": "CORE"}
    for client in (limited, viewer):
        assert client.post(f"{home}payments/accounts/new/", company).status_code == 403
        assert client.post(f"{home}payments/debits/", asked).status_code == 403
    rows = b"".join(limited.get(f"{home}invoices/export/csv/").streaming_content)  # type: ignore[attr-defined]
    assert collectable.number.encode() not in rows
    booking.refresh_from_db()
    payment.refresh_from_db()
    row.refresh_from_db()
    assert (booking.state, payment.account, row.state) == ("open", None, "open")
    assert Wallet.objects.get(pk=wallet.pk).credit_limit == 0
    assert DebitItem.objects.filter(file=row).count() == 1
    assert not BillingAccount.objects.filter(organization=organization, kind="company").exists()
    assert not AuditEntry.objects.filter(action="debit_file.fetched", object_id=str(row.pk)).exists()
