"""Many random invoices whose figures agree everywhere (billing B-23 to B-27).

SIMULATED_DOCUMENTS=400 are more than 10,000 sessions; CHECKED_BY_RULES=400 puts each of them before the rules.
"""

import os
import random
from decimal import Decimal
from typing import Any

from billing import amounts
from billing.amounts import ToBill
from billing.documents import cii, figures, pdf, ubl, xml
from tariffs.rounding import Basis
from tests.billing.documents import schematron
from tests.billing.documents.test_documents import text_of, told

COUNT = int(os.environ.get("SIMULATED_DOCUMENTS", "200"))
CHECKED_BY_RULES = int(os.environ.get("CHECKED_BY_RULES", "10"))
PRINTED = 5
SELLER = {
    "name": "Hafen GmbH", "street": "Kai 1", "postal_code": "20457", "city": "Hamburg", "country": "DE",
    "vat_id": "DE136695976", "tax_number": "", "email": "a@example.org", "contact": "", "phone": "", "text": "",
}  # fmt: skip
BUYER = {
    "name": "Bob", "street": "", "postal_code": "", "city": "", "country": "DE", "vat_id": "", "reference": "",
    "email": "bob@example.org",
}  # fmt: skip
BANK = {"means": "58", "iban": "DE89370400440532013000", "bic": "", "holder": "Hafen", "reference": "RF18X"}
PLACE = {"name": "Kai", "city": "Hamburg", "evse": "DE*ABC*E1"}


def snapshot_of(dice: random.Random, number: int) -> dict[str, Any]:
    """An invoice as issuing writes it, of random amounts and rates."""
    basis = dice.choice([Basis.GROSS, Basis.NET])
    rates = dice.sample(["19", "7", "21", "0"], k=dice.randint(1, 3))
    lines = [
        ToBill(Decimal(dice.randint(1, 9000)).scaleb(-2), rate, "S" if rate else "Z")
        for rate in (Decimal(dice.choice(rates)) for _ in range(dice.randint(1, 60)))
    ]
    return snapshot(lines, basis, f"2026-{number:06d}")


def snapshot(lines: list[ToBill], basis: Basis, number: str) -> dict[str, Any]:
    sums = amounts.totals(lines, basis, "EUR")
    return {
        "version": 2, "language": "en", "number": number, "type": "380", "issued_on": "2026-04-01",
        "due_on": "2026-04-15", "period": "2026-03", "currency": "EUR", "basis": basis.value, "seller": SELLER,
        "buyer": BUYER, "payment": BANK, "preceding": None, "net": f"{sums.net:f}", "vat": f"{sums.vat:f}",
        "rounding": f"{sums.rounding:f}", "due": f"{sums.due:f}",
        "vat_groups": [
            {"rate": f"{one.rate:f}", "net": f"{one.net:f}", "vat": f"{one.vat:f}", "category": one.category,
             "reason": "", "reason_text": ""}
            for one in sums.groups
        ],
        "lines": [
            {"cdr": f"c-{place}", "start": "2026-03-30T22:10:00Z", "end": "2026-03-30T22:40:00Z",
             "time_zone": "Europe/Berlin", "place": PLACE, "energy_kwh": "12.345", "meter_start_wh": None,
             "meter_end_wh": None, "tariff_version": None, "signed": None, "vat_rate": f"{line.rate:f}",
             "vat_category": line.category, "vat_reason": "", "net": f"{net:f}", "leading": f"{line.leading:f}",
             "texts": {}}
            for place, (line, net) in enumerate(zip(lines, sums.nets, strict=True))
        ],
    }  # fmt: skip


def test_b27_random_documents_agree_to_the_cent_in_every_form() -> None:
    dice = random.Random(27)
    for number in range(1, COUNT + 1):
        given = snapshot_of(dice, number)
        found = figures.of(given)
        as_cii, as_ubl = cii.render(found), ubl.render(found)

        assert figures.problems(found) == []
        assert xml.check(as_cii, "factur-x") == xml.check(as_ubl, "ubl-2.1-invoice") == ""
        due = f"{Decimal(given['due']):.2f}"
        assert told(as_cii, "DuePayableAmount") == told(as_ubl, "PayableAmount") == [[due]]
        nets = [f"{Decimal(line['net']):.2f}" for line in given["lines"]]
        assert told(as_cii, "LineTotalAmount") == [[*nets, f"{Decimal(given['net']):.2f}"]]
        assert told(as_ubl, "LineExtensionAmount") == [[f"{Decimal(given['net']):.2f}", *nets]]
        vats = [f"{Decimal(one['vat']):.2f}" for one in given["vat_groups"]]
        assert told(as_cii, "CalculatedAmount") == [vats]
        assert told(as_ubl, "TaxAmount") == [[f"{Decimal(given['vat']):.2f}", *vats]]
        if number % max(COUNT // CHECKED_BY_RULES, 1) == 0:
            assert schematron.complaints("cii", as_cii) == schematron.complaints("ubl", as_ubl) == []
        if number % max(COUNT // PRINTED, 1) == 0:
            shown = text_of(pdf.render(found, as_cii))
            for amount in (*nets, *vats, due, f"{Decimal(given['net']):.2f}"):
                assert f"{Decimal(amount):,.2f} EUR" in shown


def test_b25_the_rounding_line_stands_in_every_form() -> None:
    found = figures.of(snapshot([ToBill(Decimal("45.00"), Decimal(19))], Basis.GROSS, "2026-1"))
    as_cii, as_ubl = cii.render(found), ubl.render(found)
    shown = text_of(pdf.render(found, as_cii))

    names = ("RoundingAmount", "GrandTotalAmount", "DuePayableAmount")
    assert told(as_cii, *names) == [["-0.01"], ["45.01"], ["45.00"]]
    names = ("PayableRoundingAmount", "TaxInclusiveAmount", "PayableAmount")
    assert told(as_ubl, *names) == [["-0.01"], ["45.01"], ["45.00"]]
    assert "Rounding -0.01 EUR" in shown
    assert schematron.complaints("cii", as_cii) == schematron.complaints("ubl", as_ubl) == []


def test_b23_b24_the_examples_stand_in_the_document() -> None:
    net = [ToBill(Decimal(text), Decimal(21)) for text in ("6.37", "12.94", "3.18")]
    found = figures.of(snapshot(net, Basis.NET, "2026-1"))
    assert (found.net, found.vat, found.due) == (Decimal("22.49"), Decimal("4.72"), Decimal("27.21"))

    gross = [ToBill(Decimal(text), Decimal(19)) for text in ("14.27", "9.86", "21.13")]
    found = figures.of(snapshot(gross, Basis.GROSS, "2026-2"))
    assert [f"{line.net}" for line in found.lines] == ["11.99", "8.29", "17.75"]
    assert (found.vat, found.due) == (Decimal("7.23"), Decimal("45.26"))


def test_b26_reverse_charge_and_outside_of_vat_pass_the_rules_with_their_reason() -> None:
    buyer = {**BUYER, "country": "NL", "vat_id": "NL004495445B01"}
    for category, code in (("AE", "VATEX-EU-AE"), ("O", "VATEX-EU-O")):
        given = snapshot([ToBill(Decimal("22.49"), Decimal(0), category, code)], Basis.NET, "2026-3")
        given["vat_groups"][0] |= {"reason": code, "reason_text": "The buyer owes the VAT."}
        seller = {**SELLER, "tax_number": "12/345/67890"}
        found = figures.of({**given, "buyer": buyer, "seller": seller})
        as_cii = cii.render(found)

        assert schematron.complaints("cii", as_cii) == []
        assert schematron.complaints("ubl", ubl.render(found)) == []
        assert "The buyer owes the VAT." in text_of(pdf.render(found, as_cii))


def test_b57_a_direct_debit_names_its_mandate_and_creditor() -> None:
    given = snapshot([ToBill(Decimal("12.00"), Decimal(19))], Basis.GROSS, "2026-4")
    debit = {**BANK, "means": "59", "mandate": "M-17", "creditor_id": "DE98ZZZ09999999999", "iban_end": "3000",
             "notice_days": 14}  # fmt: skip
    found = figures.of({**given, "payment": debit})
    as_cii, as_ubl = cii.render(found), ubl.render(found)

    assert told(as_cii, "DirectDebitMandateID", "CreditorReferenceID") == [["M-17"], ["DE98ZZZ09999999999"]]
    assert "M-17" in text_of(pdf.render(found, as_cii))
    told_day = pdf.page(figures.of({**given, "payment": {**debit, "collect_on": "2026-05-19"}}))
    for announced in ("12.00 EUR", "19 May 2026", "M-17", "DE98ZZZ09999999999", "3000"):
        assert announced in told_day.split("We collect")[1]
    assert "14 days after" in pdf.page(found), "as it was issued"
    assert [one for one in schematron.complaints("cii", as_cii) if "warning" not in one] == []
    assert schematron.complaints("ubl", as_ubl) == []


def test_b55_above_50_sessions_there_is_a_summary_and_an_annex() -> None:
    lines = [ToBill(Decimal("1.19"), Decimal(19))] * 51
    found = figures.of(snapshot(lines, Basis.GROSS, "2026-5"))
    shown = text_of(pdf.render(found, cii.render(found)))
    assert shown.index("Summary by place") < shown.index("Annex: sessions")
    few = figures.of(snapshot(lines[:50], Basis.GROSS, "2026-6"))
    assert "Annex" not in pdf.page(few)


def test_b55_a_document_fetches_nothing() -> None:
    given = snapshot([ToBill(Decimal("1.19"), Decimal(19))], Basis.GROSS, "2026-7")
    hostile = {**given, "seller": {**SELLER, "text": '<img src="http://example.org/x.png">'}}
    page = pdf.page(figures.of(hostile))
    assert "<img" not in page
    assert "http" not in page.replace("&lt;img src=&quot;http://example.org/x.png&quot;&gt;", "")


def test_b64_the_signed_pair_and_its_result_stand_on_the_document() -> None:
    given = snapshot([ToBill(Decimal("1.19"), Decimal(19))], Basis.GROSS, "2026-8")
    given["lines"][0]["signed"] = {"begin": "2107.38", "end": "2119.91", "valid": True}
    assert "2107.38 – 2119.91 kWh, signature checked" in pdf.page(figures.of(given))
