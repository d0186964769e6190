"""Invoices by the basis that the record froze, and parts of them taken back (billing B-17, B-22, B-23, B-26)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.transaction import atomic
from django.test import Client

from billing.models import Cdr, Invoice, InvoiceLine, InvoiceState
from billing.services import accounts, crediting, documents, drafting, issuing, parties
from billing.services.payments import allocating
from core.access import Actor
from core.errors import Invalid
from drivers.models import Driver
from stations.models import SessionCost
from stations.services import tariff_assignments
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.pages import alice, browser, member, organization
from tests.stations.ocpp.charging import publish
from tests.tariffs.building import component, element

__all__ = ["alice", "browser", "member", "organization"]
pytestmark = pytest.mark.usefixtures("committed")

TWO_RATES = element(component("ENERGY", "0.50", "19")), element(component("FLAT", "1.00", "7"))
ONE_RATE = (element(component("ENERGY", "0.50", "19")),)
ACME: dict[str, Any] = {
    "name": "Acme GmbH",
    "street": "Werkstr. 1",
    "postal_code": "10115",
    "city": "Berlin",
    "country": "DE",
}
DUTCH = {**ACME, "country": "NL", "postal_code": "1011 AB", "vat_id": "NL004495445B01", "reseller": True}
WHY = "the station was out of order"
Contract = Callable[..., Driver]


@pytest.fixture
def contract(alice: Actor) -> Contract:
    """A driver who pays net by a contract, as a company does."""

    def made(*elements: Any, basis: str = "net", **buyer: Any) -> Driver:
        driver = factories.make_driver(alice)
        tariff_assignments.assign(publish(alice, *elements).tariff, place=driver, basis=basis, by=alice)
        parties.save_driver(driver, buyer or ACME, company=True, by=alice)
        return driver

    return made


def bill(driver: Driver, by: Actor) -> Invoice:
    [draft] = drafting.draft(accounts.of_driver(driver), THIS_MONTH, by=by)
    return issuing.issue(draft, by=by)


def group(invoice: Invoice, rate: str) -> tuple[Decimal, Decimal]:
    [found] = [one for one in invoice.vat_groups if Decimal(one["rate"]) == Decimal(rate)]
    return Decimal(found["net"]), Decimal(found["vat"])


def credited_in_full(invoice: Invoice) -> bool:
    notes = list(invoice.credit_notes.all())
    whole = all(
        sum(getattr(one, name) for one in notes) == getattr(invoice, name)
        for name in ("net", "vat", "rounding", "due")
    )
    return whole and Invoice.objects.get(pk=invoice.pk).state == InvoiceState.CREDITED


def test_b22_the_invoice_has_what_the_records_froze_though_the_price_is_another_now(
    contract: Contract, charge: Charge, alice: Actor
) -> None:
    """12.345 kWh are 6.1725: net 6.17 for a company; twice that with VAT once is 14.68 (B-23), not 2 x 7.34."""
    driver = contract(*ONE_RATE)
    charge(12_345, driver=driver)
    charge(12_345, driver=driver)
    settle()
    SessionCost.objects.filter(transaction__driver=driver).update(excl_vat=99, incl_vat=99, answer={})
    invoice = bill(driver, alice)
    records = Cdr.objects.filter(account=accounts.of_driver(driver))

    assert {(one.basis, one.payable_excl_vat) for one in records} == {("net", Decimal("6.17"))}
    assert (invoice.basis, invoice.net, invoice.vat, invoice.due) == (
        "net", Decimal("12.34"), Decimal("2.34"), Decimal("14.68"),
    )  # fmt: skip
    assert [line.leading for line in invoice.lines.all()] == [Decimal("6.17")] * 2


def test_b22_records_of_both_bases_are_on_two_invoices_of_one_payer(
    contract: Contract, charge: Charge, alice: Actor
) -> None:
    driver = contract(*ONE_RATE)
    charge(12_345, driver=driver)
    tariff_assignments.assign(publish(alice, *ONE_RATE).tariff, place=driver, basis="gross", by=alice)
    charge(12_345, driver=driver)
    settle()
    drafts = drafting.draft(accounts.of_driver(driver), THIS_MONTH, by=alice)
    invoices = [issuing.issue(one, by=alice) for one in drafts]

    assert sorted((one.basis, one.due) for one in invoices) == [
        ("gross", Decimal("7.35")), ("net", Decimal("7.34")),
    ]  # fmt: skip
    for one in invoices:
        assert {line.cdr.basis for line in one.lines.all()} == {one.basis}


def test_b22_the_database_refuses_a_record_of_another_basis_on_an_invoice(
    contract: Contract, charge: Charge, alice: Actor
) -> None:
    driver = contract(*ONE_RATE)
    charge(12_345, driver=driver)
    person = charge(12_345)
    settle()
    [draft] = drafting.draft(accounts.of_driver(driver), THIS_MONTH, by=alice)
    gross = Cdr.objects.get(transaction=person)

    with pytest.raises(DatabaseError, match="of its basis and currency only"), atomic():
        InvoiceLine.objects.create(invoice=draft, cdr=gross, place=9, vat_rate=19, leading=0, net=0)
    assert draft.lines.count() == 1


def test_b17_parts_of_a_net_invoice_with_two_rates_are_credited_by_rate_and_add_up(
    contract: Contract, charge: Charge, alice: Actor
) -> None:
    driver = contract(*TWO_RATES)
    for wh in (12_345, 4_321):
        charge(wh, driver=driver)
    settle()
    invoice = bill(driver, alice)
    lines = {(line.leading, line.vat_rate): line for line in invoice.lines.all()}
    energy, fee = lines[Decimal("6.17"), Decimal(19)], lines[Decimal("1.00"), Decimal(7)]
    before = group(invoice, "19"), group(invoice, "7")
    first = crediting.credit(
        invoice, by=alice, reason=WHY, parts={energy.pk: Decimal("1.11"), fee.pk: Decimal("0.33")}
    )
    with pytest.raises(Invalid, match=r"at most 0\.67"):
        crediting.credit(invoice, by=alice, reason=WHY, parts={fee.pk: Decimal("0.68")})
    crediting.credit(invoice, by=alice, reason=WHY)

    # 1.11 at 19 % is 0.2109, 0.33 at 7 % is 0.0231
    assert (group(first, "19"), group(first, "7")) == (
        (Decimal("1.11"), Decimal("0.21")), (Decimal("0.33"), Decimal("0.02")),
    )  # fmt: skip
    assert (first.basis, first.due, first.rounding) == ("net", Decimal("1.67"), 0)
    assert before == ((Decimal("8.33"), Decimal("1.58")), (Decimal("2.00"), Decimal("0.14")))
    assert credited_in_full(invoice)
    assert [documents.render(one, "ubl") != b"" for one in invoice.credit_notes.all()] == [True] * 2


def test_b17_parts_of_a_gross_invoice_with_two_rates_are_credited_by_rate_and_add_up(
    contract: Contract, charge: Charge, alice: Actor
) -> None:
    driver = contract(*TWO_RATES, basis="gross")
    for wh in (12_345, 4_321):
        charge(wh, driver=driver)
    settle()
    invoice = bill(driver, alice)
    line = invoice.lines.get(leading=Decimal("7.35"))
    fees = [one.pk for one in invoice.lines.filter(vat_rate=7)]
    first = crediting.credit(
        invoice, by=alice, reason=WHY, parts={line.pk: Decimal("2.00"), fees[0]: Decimal("0.50")}
    )
    crediting.credit(invoice, by=alice, reason=WHY, parts=dict.fromkeys(fees))
    left = allocating.open_amount(Invoice.objects.get(pk=invoice.pk))
    crediting.credit(invoice, by=alice, reason=WHY)

    assert first.due == Decimal("2.50") == first.net + first.vat + first.rounding
    assert [Decimal(one["rate"]) for one in first.vat_groups] == [Decimal(7), Decimal(19)]
    assert left == invoice.due - Decimal("2.50") - (Decimal("2.14") - Decimal("0.50"))
    assert credited_in_full(invoice)


def test_b17_b26_a_part_of_a_reverse_charge_invoice_is_credited_without_vat_and_with_its_reason(
    contract: Contract, charge: Charge, alice: Actor
) -> None:
    driver = contract(*TWO_RATES, **DUTCH)
    charge(12_345, driver=driver)
    settle()
    invoice = bill(driver, alice)
    line = invoice.lines.get(leading=Decimal("7.17"))  # of two rates, which are one without VAT
    first = crediting.credit(invoice, by=alice, reason=WHY, parts={line.pk: Decimal("2.17")})
    [told], [credited] = first.vat_groups, first.lines.all()
    ubl = documents.render(first, "ubl").decode()
    crediting.credit(invoice, by=alice, reason=WHY)

    assert (invoice.net, invoice.vat, invoice.due) == (Decimal("7.17"), 0, Decimal("7.17"))
    assert (first.net, first.vat, first.due) == (Decimal("2.17"), 0, Decimal("2.17"))
    assert (told["category"], told["reason"], credited.vat_category) == ("AE", "VATEX-EU-AE", "AE")
    assert "NL004495445B01" in ubl
    assert "VATEX-EU-AE" in ubl
    assert credited_in_full(invoice)


def test_b22_the_page_of_a_net_invoice_takes_amounts_without_vat(
    contract: Contract, charge: Charge, alice: Actor, browser: Client
) -> None:
    driver = contract(*ONE_RATE)
    charge(12_345, driver=driver)
    settle()
    invoice = bill(driver, alice)
    at = f"/o/{invoice.organization.slug}/invoices/{invoice.pk}/"
    page = browser.get(at).content.decode()
    line = invoice.lines.get()
    browser.post(f"{at}credit/", {"part": "1", f"line-{line.pk}": "1.00", "reason": WHY})

    assert "Enter amounts without VAT." in page
    assert [one.due for one in invoice.credit_notes.all()] == [Decimal("1.19")]
