"""Documents of issued invoices: the same figures in PDF, CII, UBL and database (billing B-15, B-55 to B-59)."""

import hashlib
import io
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pypdf
import pytest
from django.core import mail
from lxml import etree

from billing.documents import pdf, ubl, xml
from billing.models import (
    Cdr,
    DeliveryState,
    DocumentState,
    Invoice,
    InvoiceDelivery,
    InvoiceDocument,
    Seller,
)
from billing.services import crediting, delivering, documents, drafting, issuing, parties, vat_treatment
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization, OutboxRow
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.documents import schematron

pytestmark = pytest.mark.usefixtures("committed")
Drafted = Callable[..., Invoice]


@pytest.fixture
def drafted(charge: Charge, alice: Actor) -> Drafted:
    """A draft of one session of a new driver, whose account has ``details``."""

    def made(**details: Any) -> Invoice:
        driver = factories.make_driver(alice, email=details.pop("driver_email", ""))
        session = charge(12_345, minutes=1, driver=driver)
        settle()
        account = Cdr.objects.get(transaction=session).account
        assert account is not None
        if details:
            parties.save_buyer(account, details, by=alice)
        return drafting.draft(account, THIS_MONTH, by=alice)[0]

    return made


@pytest.fixture
def issued(drafted: Drafted, alice: Actor) -> Drafted:
    def made(**details: Any) -> Invoice:
        return issuing.issue(drafted(**details), by=alice)

    return made


def made(invoice: Invoice) -> dict[str, bytes]:
    InvoiceDocument.objects.exclude(invoice=invoice).filter(state=DocumentState.WAITING).update(
        next_try_at=clock.now() + documents.LATEST_AGAIN
    )
    documents.make_due()
    return {kind: documents.content(invoice, kind) for kind in ("pdf", "cii", "ubl")}


def text_of(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages)


def told(data: bytes, *names: str) -> list[list[str]]:
    """The texts of elements by their local names."""
    root = etree.fromstring(data)
    return [[one.text or "" for one in root.iterfind(f".//{{*}}{name}")] for name in names]


def test_b15_b56_an_issued_invoice_becomes_three_files_whose_hashes_are_kept(issued: Drafted) -> None:
    invoice = issued()
    files = made(invoice)

    rows = {row.kind: row for row in InvoiceDocument.objects.filter(invoice=invoice)}
    assert {kind: row.state for kind, row in rows.items()} == dict.fromkeys(("pdf", "cii", "ubl"), "ready")
    assert all(rows[kind].sha256 == hashlib.sha256(data).hexdigest() for kind, data in files.items())


def test_b27_b56_pdf_cii_ubl_and_database_agree_and_pass_every_rule(issued: Drafted) -> None:
    invoice = issued(
        street="Weg 1", postal_code="50667", city="Köln", country="DE", reference="R-17", language="de"
    )
    files = made(invoice)
    shown = text_of(files["pdf"])

    assert "7,35 EUR" in shown
    assert "6,18 EUR" in shown
    assert "1,17 EUR" in shown
    assert invoice.number in shown
    assert told(files["cii"], "LineTotalAmount", "DuePayableAmount", "BuyerReference") == [
        ["6.18", "6.18"], ["7.35"], ["R-17"],
    ]  # fmt: skip
    assert told(files["ubl"], "TaxExclusiveAmount", "PayableAmount") == [["6.18"], ["7.35"]]
    assert schematron.complaints("cii", files["cii"]) == []
    assert schematron.complaints("ubl", files["ubl"]) == []


def test_b55_the_pdf_is_tagged_embeds_its_fonts_and_the_same_cii(issued: Drafted) -> None:
    files = made(issued())
    reader = pypdf.PdfReader(io.BytesIO(files["pdf"]))
    root: Any = reader.trailer["/Root"]

    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert reader.attachments["factur-x.xml"] == [files["cii"]]
    descriptors = [
        font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
        for page in reader.pages
        for font in page["/Resources"]["/Font"].values()
    ]
    assert descriptors
    assert all("/FontFile2" in one or "/FontFile3" in one for one in descriptors)


def test_b15_rendering_again_gives_the_same_figures_after_everything_else_changed(
    issued: Drafted, alice: Actor, organization: Organization
) -> None:
    invoice = issued()
    before = made(invoice)
    parties.save_seller(organization, {"name": "Another name", "city": "Bremen"}, by=alice)
    documents.make_again(invoice, by=alice)
    after = made(invoice)

    assert (after["cii"], after["ubl"]) == (before["cii"], before["ubl"])
    assert text_of(after["pdf"]) == text_of(before["pdf"])


def test_b15_making_twice_keeps_one_file(issued: Drafted) -> None:
    invoice = issued()
    made(invoice)
    assert documents.sweep() == 0
    assert InvoiceDocument.objects.filter(invoice=invoice).count() == 3


def test_b68_the_address_is_not_readable_in_the_database(issued: Drafted) -> None:
    invoice = issued(street="Geheimweg 7", postal_code="50667", city="Köln", country="DE")
    stored = json.dumps(Invoice.objects.get(pk=invoice.pk).snapshot, ensure_ascii=False)

    assert "Geheimweg" not in stored
    assert "Geheimweg 7" in text_of(made(invoice)["pdf"])


def test_b57_a_credit_note_is_381_with_positive_amounts_and_names_its_invoice(
    issued: Drafted, alice: Actor
) -> None:
    invoice = issued()
    note = crediting.credit(invoice, by=alice, reason="Wrong price")
    files = made(note)

    assert told(files["cii"], "TypeCode")[0][0] == "381"
    assert told(files["ubl"], "PayableAmount", "CreditNoteTypeCode") == [["7.35"], ["381"]]
    assert invoice.number in text_of(files["pdf"])
    assert [schematron.complaints(kind, files[kind]) for kind in ("cii", "ubl")] == [[], []]


def test_b26_a_reseller_abroad_owes_the_vat_and_the_invoice_says_so(drafted: Drafted, alice: Actor) -> None:
    with pytest.raises(Invalid, match="price with taxes"):
        drafted(country="NL", vat_id="NL004495445B01", reseller=True)


def test_b26_a_wrong_vat_id_is_refused_and_a_right_one_kept_with_its_date(
    drafted: Drafted, alice: Actor
) -> None:
    account = drafted().account
    for wrong in ("DE136695977", "NL136695976", "DE1"):
        with pytest.raises(Invalid):
            parties.save_buyer(account, {"country": "DE", "vat_id": wrong}, by=alice)
    row = parties.save_buyer(account, {"country": "DE", "vat_id": "de 136 695 976"}, by=alice)

    assert row.vat_id == "DE136695976"
    assert row.vat_id_checked_on is not None


def test_b34_without_the_sellers_details_nothing_is_drafted(
    drafted: Drafted, organization: Organization
) -> None:
    Seller.objects.filter(organization=organization).update(vat_id="", tax_number="")
    with pytest.raises(Invalid, match="invoice details are not complete"):
        drafted()
    assert not Invoice.objects.filter(organization=organization).exists()


def test_b59_what_breaks_a_rule_is_failed_and_not_sent(
    issued: Drafted, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = issued(driver_email="bob@example.org")
    with monkeypatch.context() as broken:
        broken.setattr(xml, "check", lambda data, flavor: "Element 'ID' is missing.")
        documents.make_due()
    delivering.send_due()

    states = set(InvoiceDocument.objects.filter(invoice=invoice).values_list("state", flat=True))
    assert states == {DocumentState.FAILED}
    assert InvoiceDelivery.objects.get(invoice=invoice).state == DeliveryState.WAITING
    assert not mail.outbox
    alerts = OutboxRow.objects.filter(type="billing.alert", object_id=invoice.pk)
    assert {one.data["kind"] for one in alerts} == {"document"}
    with pytest.raises(Conflict, match="'ID' is missing"):
        documents.content(invoice, "pdf")


def test_b55_without_pango_the_pdf_waits_with_what_to_install_and_the_rest_is_made(
    issued: Drafted, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = issued()
    with monkeypatch.context() as poor:
        poor.setattr(pdf, "missing", lambda: "Install it: apt install libpango-1.0-0")
        documents.make_due()

    rows = {row.kind: row for row in InvoiceDocument.objects.filter(invoice=invoice)}
    assert rows["pdf"].state == DocumentState.WAITING
    assert "libpango" in rows["pdf"].failed_reason
    assert rows["cii"].state == rows["ubl"].state == DocumentState.READY


def test_b32_an_invoice_is_mailed_once_with_its_pdf(issued: Drafted) -> None:
    invoice = issued(driver_email="bob@example.org")
    delivering.send_due()
    assert not [one for one in mail.outbox if invoice.number in one.subject]
    data = made(invoice)["pdf"]
    delivering.send_due()
    delivering.send_due()

    sent = [one for one in mail.outbox if one.to == ["bob@example.org"]]
    assert len(sent) == 1
    assert sent[0].attachments[0] == (f"{invoice.number}.pdf", data, "application/pdf")
    assert InvoiceDelivery.objects.get(invoice=invoice).state == DeliveryState.SENT


def test_b32_a_mail_cut_off_while_being_sent_is_left_to_a_person(issued: Drafted) -> None:
    invoice = issued(driver_email="carol@example.org")
    made(invoice)
    InvoiceDelivery.objects.filter(invoice=invoice).update(
        state=DeliveryState.SENDING, next_try_at=clock.now() - documents.AGAIN
    )
    delivering.send_due()

    row = InvoiceDelivery.objects.get(invoice=invoice)
    assert (row.state, row.reason) == (DeliveryState.FAILED, delivering.UNSURE)
    assert not [one for one in mail.outbox if one.to == ["carol@example.org"]]


def test_b68_reading_a_document_is_audited_and_refused_to_strangers(
    issued: Drafted, alice: Actor, organization: Organization
) -> None:
    invoice = issued()
    made(invoice)
    documents.read(invoice, "pdf", by=alice)
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    with pytest.raises(NotFound):
        documents.read(invoice, "pdf", by=charlie)
    with pytest.raises(NotPermitted):
        documents.read(invoice, "pdf", by=bob)
    with pytest.raises(NotPermitted):
        parties.save_seller(organization, {"name": "Mine"}, by=bob)
    with pytest.raises((NotPermitted, NotFound)):
        parties.save_seller(organization, {"name": "Mine"}, by=charlie)
    with pytest.raises(NotFound):
        parties.save_buyer(invoice.account, {"name": "Mine"}, by=charlie)

    read = AuditEntry.objects.filter(action="invoice.document_read", object_id=str(invoice.pk))
    assert [one.actor for one in read] == [alice.label]


def test_b15_an_altered_file_is_not_handed_out(issued: Drafted) -> None:
    invoice = issued()
    made(invoice)
    InvoiceDocument.objects.filter(invoice=invoice, kind="ubl").update(sha256="0" * 64)
    with pytest.raises(Conflict, match="not the one that was made"):
        documents.content(invoice, "ubl")


def test_b28_amounts_have_the_digits_of_their_currency(issued: Drafted) -> None:
    found = documents.figures.of(documents.snapshots.opened(issued().snapshot))
    assert found.money(Decimal("7.3500")) == "7.35"
    assert ubl.render(found).count(b'currencyID="EUR"') == 9


def test_m16_a_file_that_is_gone_after_a_restore_is_made_again(issued: Drafted) -> None:
    invoice = issued()
    before = made(invoice)
    row = InvoiceDocument.objects.get(invoice=invoice, kind="ubl")
    documents.store().delete(str(row.file.name))
    with pytest.raises(Conflict, match="being made"):
        documents.content(invoice, "ubl")

    assert made(invoice)["ubl"] == before["ubl"]


def test_b26_no_rate_in_the_tariff_is_refused_and_never_0_percent() -> None:
    treatment = vat_treatment.decide("DE", "DE", vat_treatment.USER, on=date(2026, 4, 1))
    with pytest.raises(Invalid, match="does not say the rate"):
        treatment.line(None)
    assert treatment.line(Decimal(0)) == (Decimal(0), "Z", "")
    assert treatment.line(Decimal(19)) == (Decimal(19), "S", "")


@pytest.mark.parametrize(("seller", "buyer", "kind", "on", "category"), [
    ("DE", "DE", "user", "2026-04-01", "S"), ("DE", "NL", "user", "2026-04-01", "S"),
    ("DE", "NL", "reseller", "2026-04-01", "AE"), ("DE", "DE", "reseller", "2026-04-01", "AE"),
    ("DE", "DE", "reseller", "2013-08-31", "S"), ("FR", "FR", "reseller", "2026-04-01", "S"),
    ("DE", "CH", "reseller", "2026-04-01", "O"), ("CH", "DE", "reseller", "2026-04-01", "O"),
])  # fmt: skip
def test_b26_the_table_decides_by_countries_kind_and_date(
    seller: str, buyer: str, kind: str, on: str, category: str
) -> None:
    assert vat_treatment.decide(seller, buyer, kind, on=date.fromisoformat(on)).category == category
    assert vat_treatment.decide(seller, buyer, kind, on=date.fromisoformat(on), exempt=True).category == "E"


def test_b34_a_company_without_an_address_is_refused(drafted: Drafted) -> None:
    account = drafted().account
    account.kind = "company"
    seller = parties.seller_of(account.organization_id)
    with pytest.raises(Invalid, match="address of"):
        parties.require_address(parties.buyer_of(account, seller), Decimal(1))
