"""UBL 2.1 Invoice and CreditNote by EN 16931, from the same figures as the CII (billing B-56, B-57)."""

from collections.abc import Mapping
from typing import Any

from billing.documents.figures import OUTSIDE, Figures, Group, Line
from billing.documents.xml import Node, write

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
SHARED = {"cac": f"{_UBL}CommonAggregateComponents-2", "cbc": f"{_UBL}CommonBasicComponents-2"}
GUIDELINE = "urn:cen.eu:en16931:2017"


def render(figures: Figures) -> bytes:
    """The XML of a document."""
    kind = "CreditNote" if figures.is_credit else "Invoice"
    return write(
        (
            f"ubl:{kind}",
            ("cbc:CustomizationID", GUIDELINE),
            ("cbc:ID", figures.number),
            ("cbc:IssueDate", str(figures.issued_on)),
            None if figures.is_credit else ("cbc:DueDate", str(figures.due_on)),
            (f"cbc:{kind}TypeCode", figures.type_code),
            ("cbc:Note", figures.note) if figures.note else None,
            ("cbc:DocumentCurrencyCode", figures.currency),
            ("cbc:BuyerReference", figures.buyer["reference"]) if figures.buyer.get("reference") else None,
            ("cac:InvoicePeriod",
             ("cbc:StartDate", str(figures.period[0])), ("cbc:EndDate", str(figures.period[1]))),
            _preceding(figures),
            _party("cac:AccountingSupplierParty", figures.seller, figures),
            _party("cac:AccountingCustomerParty", figures.buyer, figures),
            ("cac:Delivery", ("cbc:ActualDeliveryDate", str(figures.period[1]))),
            _means(figures),
            ("cac:TaxTotal", _amount("cbc:TaxAmount", figures.vat, figures),
             [_tax(group, figures) for group in figures.groups]),
            _sums(figures),
            [_line(line, figures, kind) for line in figures.lines],
        ),
        {"ubl": f"{_UBL}{kind}-2", **SHARED},
    )  # fmt: skip


def _amount(name: str, amount: Any, figures: Figures) -> Node:
    return (name, {"currencyID": figures.currency}, figures.money(amount))


def _preceding(figures: Figures) -> Node | None:
    if not figures.preceding:
        return None
    return (
        "cac:BillingReference",
        ("cac:InvoiceDocumentReference",
         ("cbc:ID", figures.preceding["number"]), ("cbc:IssueDate", figures.preceding["issued_on"])),
    )  # fmt: skip


def _party(name: str, party: Mapping[str, Any], figures: Figures) -> Node:
    outside = any(group.category == OUTSIDE for group in figures.groups)
    vat_id = "" if outside else party.get("vat_id")
    known = party.get("tax_number") or party.get("identifier")
    creditor = figures.payment.get("creditor_id") if party is figures.seller else None
    return (
        name,
        ("cac:Party",
         ("cbc:EndpointID", {"schemeID": "EM"}, party["email"]) if party.get("email") else None,
         ("cac:PartyIdentification", ("cbc:ID", {"schemeID": "SEPA"}, creditor)) if creditor else None,
         ("cac:PartyIdentification", ("cbc:ID", known)) if known and not vat_id else None,
         ("cac:PostalAddress",
          ("cbc:StreetName", party["street"]) if party["street"] else None,
          ("cbc:CityName", party["city"]) if party["city"] else None,
          ("cbc:PostalZone", party["postal_code"]) if party["postal_code"] else None,
          ("cac:Country", ("cbc:IdentificationCode", party["country"]))),
         _tax_scheme(vat_id, "VAT"), _tax_scheme(party.get("tax_number"), "TAX"),
         ("cac:PartyLegalEntity", ("cbc:RegistrationName", party["name"])),
         ("cac:Contact",
          ("cbc:Name", party["contact"]) if party.get("contact") else None,
          ("cbc:Telephone", party["phone"]) if party.get("phone") else None,
          ("cbc:ElectronicMail", party["email"]) if party.get("email") else None)
         if party.get("contact") or party.get("phone") else None),
    )  # fmt: skip


def _tax_scheme(number: str | None, scheme: str) -> Node | None:
    if not number:
        return None
    return ("cac:PartyTaxScheme", ("cbc:CompanyID", number), ("cac:TaxScheme", ("cbc:ID", scheme)))


def _means(figures: Figures) -> Node | None:
    payment = figures.payment
    if not payment:
        return None
    return (
        "cac:PaymentMeans",
        ("cbc:PaymentMeansCode", payment["means"]),
        ("cbc:PaymentID", payment["reference"]) if payment.get("reference") else None,
        None if payment["means"] != "58" else
        ("cac:PayeeFinancialAccount",
         ("cbc:ID", payment["iban"]), ("cbc:Name", payment["holder"]),
         ("cac:FinancialInstitutionBranch", ("cbc:ID", payment["bic"])) if payment.get("bic") else None),
        ("cac:PaymentMandate", ("cbc:ID", payment["mandate"])) if payment["means"] == "59" else None,
    )  # fmt: skip


def _tax(group: Group, figures: Figures) -> Node:
    return (
        "cac:TaxSubtotal",
        _amount("cbc:TaxableAmount", group.net, figures),
        _amount("cbc:TaxAmount", group.vat, figures),
        ("cac:TaxCategory",
         ("cbc:ID", group.category),
         None if group.category == OUTSIDE else ("cbc:Percent", f"{group.rate:f}"),
         ("cbc:TaxExemptionReasonCode", group.reason_code) if group.reason_code else None,
         ("cbc:TaxExemptionReason", group.reason) if group.reason else None,
         ("cac:TaxScheme", ("cbc:ID", "VAT"))),
    )  # fmt: skip


def _sums(figures: Figures) -> Node:
    return (
        "cac:LegalMonetaryTotal",
        _amount("cbc:LineExtensionAmount", figures.net, figures),
        _amount("cbc:TaxExclusiveAmount", figures.net, figures),
        _amount("cbc:TaxInclusiveAmount", figures.with_vat, figures),
        _amount("cbc:PrepaidAmount", figures.prepaid, figures) if figures.prepaid else None,
        _amount("cbc:PayableRoundingAmount", figures.rounding, figures) if figures.rounding else None,
        _amount("cbc:PayableAmount", figures.due, figures),
    )


def _line(line: Line, figures: Figures, kind: str) -> Node:
    quantity = "cbc:CreditedQuantity" if kind == "CreditNote" else "cbc:InvoicedQuantity"
    return (
        f"cac:{kind}Line",
        ("cbc:ID", str(line.number)),
        (quantity, {"unitCode": line.unit}, f"{line.quantity:f}"),
        _amount("cbc:LineExtensionAmount", line.net, figures),
        ("cbc:AccountingCost", line.cost_centre) if line.cost_centre else None,
        ("cac:InvoicePeriod", ("cbc:StartDate", str(line.begin)), ("cbc:EndDate", str(line.end))),
        ("cac:Item",
         ("cbc:Description", line.description) if line.description else None,
         ("cbc:Name", line.name),
         ("cac:ClassifiedTaxCategory",
          ("cbc:ID", line.category),
          None if line.category == OUTSIDE else ("cbc:Percent", f"{line.rate:f}"),
          ("cac:TaxScheme", ("cbc:ID", "VAT"))),
         [("cac:AdditionalItemProperty", ("cbc:Name", name), ("cbc:Value", value))
          for name, value in line.attributes]),
        ("cac:Price", _amount("cbc:PriceAmount", line.price, figures)),
    )  # fmt: skip
