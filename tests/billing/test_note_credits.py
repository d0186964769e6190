"""What the credit note of a month below nothing gives is set off or paid out (billing B-28)."""

from decimal import Decimal
from xml.etree import ElementTree

import pytest
from django.db.models import Sum

from billing.documents import figures, pdf
from billing.models import BillingAccount, Invoice, InvoiceState, LedgerEntry, Payment, ProviderCall
from billing.services import crediting, documents, drafting, issuing, sealing, snapshots
from billing.services.payments import allocating, receiving, refunding
from core import clock
from core.access import Actor
from core.errors import Conflict, Invalid
from core.models import Organization
from drivers.models import Driver
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge
from tests.billing.pages import browser_of
from tests.billing.test_crediting import cost_of
from tests.portal.api.conftest import client_with

pytestmark = pytest.mark.usefixtures("committed")
RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"
CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def driver(alice: Actor) -> Driver:
    return factories.make_driver(alice, "Dora Driver")


def billed(charge: Charge, driver: Driver, by: Actor, amount: str, period: str) -> Invoice:
    """A document of one session with that total, issued for a month from this one on."""
    session = charge(1000, driver=driver)
    sealing.make(session, cost_of(session, Decimal(amount)), now=clock.now())
    [draft] = drafting.draft(driver.billing_account, period, by=by)
    return Invoice.objects.get(pk=issuing.issue(draft, by=by).pk)


def following(period: str) -> str:
    return drafting.end_of(period, "Europe/Berlin").strftime("%Y-%m")


def owed_by(account: BillingAccount) -> Decimal:
    rows = LedgerEntry.objects.filter(account="receivable", payer=account)
    return rows.aggregate(total=Sum("amount"))["total"] or Decimal(0)


def test_b28_it_is_set_off_against_the_next_invoice_whose_documents_say_so(
    charge: Charge, driver: Driver, alice: Actor
) -> None:
    note = billed(charge, driver, alice, "-7.14", THIS_MONTH)
    invoice = billed(charge, driver, alice, "10.00", following(THIS_MONTH))

    assert allocating.open_amount(invoice) == Decimal("2.86") == owed_by(driver.billing_account)
    assert (invoice.state, invoice.due) == (InvoiceState.PARTLY_PAID, Decimal("10.00"))
    assert invoice.snapshot["set_off"] == [{"number": note.number, "amount": "7.14"}]
    assert allocating.unallocated(note.credit) == 0
    found = figures.of(snapshots.opened(invoice.snapshot))
    assert (found.prepaid, found.due, figures.problems(found)) == (Decimal("7.14"), Decimal("2.86"), [])
    cii = ElementTree.fromstring(documents.render(invoice, "cii"))
    assert [cii.findtext(f".//{RAM}{name}") for name in ("TotalPrepaidAmount", "DuePayableAmount")] == [
        "7.14", "2.86",
    ]  # fmt: skip
    ubl = ElementTree.fromstring(documents.render(invoice, "ubl"))
    assert [ubl.findtext(f".//{CBC}{name}") for name in ("PrepaidAmount", "PayableAmount")] == [
        "7.14",
        "2.86",
    ]
    html = pdf.page(found)
    assert f"Set off: credit note {note.number}" in html
    assert documents.render(invoice, "pdf").startswith(b"%PDF")


def test_b28_it_is_set_off_against_what_is_owed_already(charge: Charge, driver: Driver, alice: Actor) -> None:
    invoice = billed(charge, driver, alice, "10.00", THIS_MONTH)
    note = billed(charge, driver, alice, "-7.14", following(THIS_MONTH))

    invoice.refresh_from_db()
    assert invoice.state == InvoiceState.PARTLY_PAID
    assert allocating.open_amount(invoice) == Decimal("2.86") == owed_by(driver.billing_account)
    assert "set_off" not in invoice.snapshot
    assert allocating.unallocated(note.credit) == 0


def test_b28_what_is_more_than_the_invoice_waits_for_the_one_after(
    charge: Charge, driver: Driver, alice: Actor
) -> None:
    note = billed(charge, driver, alice, "-7.14", THIS_MONTH)
    first = billed(charge, driver, alice, "5.00", following(THIS_MONTH))
    second = billed(charge, driver, alice, "5.00", following(following(THIS_MONTH)))

    assert first.state == InvoiceState.PAID
    assert second.snapshot["set_off"] == [{"number": note.number, "amount": "2.14"}]
    assert owed_by(driver.billing_account) == Decimal("2.86")


def test_b28_it_is_paid_out_and_no_more_than_it_is(charge: Charge, driver: Driver, alice: Actor) -> None:
    note = billed(charge, driver, alice, "-7.14", THIS_MONTH)
    with pytest.raises(Invalid, match="more than is left"):
        refunding.refund(note.credit, Decimal("7.15"), reason="Paid out", by=alice)
    refunding.refund(note.credit, Decimal("7.14"), reason="Paid out", by=alice)

    bank = LedgerEntry.objects.filter(account="bank", journal__organization=note.organization_id)
    assert bank.aggregate(total=Sum("amount"))["total"] == Decimal("-7.14")
    assert owed_by(driver.billing_account) == 0
    assert allocating.unallocated(Payment.objects.get(credit_note=note)) == 0


def test_b28_no_money_is_said_to_have_come_and_no_bank_takes_it_back(
    charge: Charge, driver: Driver, alice: Actor
) -> None:
    note = billed(charge, driver, alice, "-7.14", THIS_MONTH)
    with pytest.raises(Conflict, match="No bank"):
        receiving.take_back(note.credit, reason="returned", by=alice)
    assert not LedgerEntry.objects.filter(account="bank", journal__organization=note.organization_id).exists()
    assert allocating.unallocated(Payment.objects.get(credit_note=note)) == Decimal("7.14")


def test_b28_what_is_credited_of_the_invoice_is_a_credit_again(
    charge: Charge, driver: Driver, alice: Actor
) -> None:
    note = billed(charge, driver, alice, "-7.14", THIS_MONTH)
    invoice = billed(charge, driver, alice, "10.00", following(THIS_MONTH))
    crediting.credit(invoice, by=alice, reason="Wrong", parts={invoice.lines.get().pk: Decimal("8.00")})
    assert allocating.unallocated(note.credit) == Decimal("5.14")
    assert owed_by(driver.billing_account) == Decimal("-5.14")


def test_b28_one_payers_credit_settles_nothing_of_another(
    charge: Charge, driver: Driver, alice: Actor
) -> None:
    note = billed(charge, driver, alice, "-7.14", THIS_MONTH)
    other = billed(charge, factories.make_driver(alice), alice, "10.00", THIS_MONTH)
    assert allocating.open_amount(other) == Decimal("10.00")
    assert "set_off" not in other.snapshot
    assert allocating.unallocated(note.credit) == Decimal("7.14")


def test_b28_the_note_leads_to_its_credit_by_page_and_api(
    charge: Charge, driver: Driver, alice: Actor, organization: Organization
) -> None:
    note = billed(charge, driver, alice, "-7.14", THIS_MONTH)
    browser = browser_of(factories.make_member(organization).user)
    home = f"/o/{organization.slug}/"
    shown = browser.get(f"{home}invoices/{note.pk}/").content.decode()
    assert f"payments/{note.credit.pk}/" in shown
    assert note.number in browser.get(f"{home}payments/{note.credit.pk}/").content.decode()
    browser.post(f"{home}payments/{note.credit.pk}/refund/", {"amount": "3.14", "reason": "Paid out"})
    api = client_with(factories.make_key(organization))
    path = f"/api/v1/payments/{note.credit.pk}/"
    assert api.get(path).json()["method"] == "credit_note"
    assert api.get(path).json()["unallocated"] == "4.00"
    stranger = client_with(factories.make_key(factories.make_organization()))
    assert (
        stranger.post(f"{path}refund/", {"amount": "1.00", "reason": "x"}, format="json").status_code == 404
    )


def test_b28_it_is_not_set_off_against_what_a_card_is_about_to_pay(
    charge: Charge, driver: Driver, alice: Actor
) -> None:
    invoice = billed(charge, driver, alice, "10.00", THIS_MONTH)
    payment = Payment.objects.create(
        organization_id=invoice.organization_id, account=invoice.account, method="card", currency="EUR",
        amount=10, provider="stripe", created_by="alice",
    )  # fmt: skip
    ProviderCall.objects.create(
        payment=payment, action="charge", key=f"charge:{payment.pk}", amount=10, state="done",
        details={"invoice": str(invoice.pk)},
    )  # fmt: skip
    note = billed(charge, driver, alice, "-7.14", following(THIS_MONTH))
    invoice.refresh_from_db()
    assert (invoice.state, allocating.unallocated(note.credit)) == (InvoiceState.ISSUED, Decimal("7.14"))


def test_b28_a_credit_from_before_there_were_any_settles_nothing_by_itself(
    charge: Charge, driver: Driver, alice: Actor
) -> None:
    note = billed(charge, driver, alice, "-7.14", THIS_MONTH)
    Payment.objects.filter(credit_note=note).update(created_by="system:note-credits")
    invoice = billed(charge, driver, alice, "10.00", following(THIS_MONTH))
    invoice.refresh_from_db()
    assert invoice.state == InvoiceState.ISSUED
    assert allocating.unallocated(note.credit) == Decimal("7.14")
