"""UN/CEFACT Cross Industry Invoice D16B, profile EN 16931: what Factur-X and ZUGFeRD embed (billing B-56, B-57)."""

from collections.abc import Mapping
from typing import Any

from billing.documents.figures import OUTSIDE, Figures, Group, Line
from billing.documents.xml import Node, compact_date, write

NAMES = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
    "qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
}
GUIDELINE = "urn:cen.eu:en16931:2017"


def render(figures: Figures) -> bytes:
    """The XML of a document."""
    return write(
        (
            "rsm:CrossIndustryInvoice",
            ("rsm:ExchangedDocumentContext",
             ("ram:GuidelineSpecifiedDocumentContextParameter", ("ram:ID", GUIDELINE))),
            ("rsm:ExchangedDocument",
             ("ram:ID", figures.number), ("ram:TypeCode", figures.type_code),
             ("ram:IssueDateTime", _date(figures.issued_on)),
             ("ram:IncludedNote", ("ram:Content", figures.note)) if figures.note else None),
            ("rsm:SupplyChainTradeTransaction",
             [_line(line, figures) for line in figures.lines],
             _agreement(figures), ("ram:ApplicableHeaderTradeDelivery", _delivered(figures)), _settlement(figures)),
        ),
        NAMES,
    )  # fmt: skip


def _date(day: Any, prefix: str = "udt") -> Node:
    return (f"{prefix}:DateTimeString", {"format": "102"}, compact_date(day))


def _delivered(figures: Figures) -> Node:
    return ("ram:ActualDeliverySupplyChainEvent", ("ram:OccurrenceDateTime", _date(figures.period[1])))


def _agreement(figures: Figures) -> Node:
    reference = figures.buyer.get("reference")
    outside = any(group.category == OUTSIDE for group in figures.groups)
    return (
        "ram:ApplicableHeaderTradeAgreement",
        ("ram:BuyerReference", reference) if reference else None,
        ("ram:SellerTradeParty", *_party(figures.seller, outside=outside)),
        ("ram:BuyerTradeParty", *_party(figures.buyer, outside=outside)),
    )


def _party(party: Mapping[str, Any], *, outside: bool) -> list[Node | None]:
    """Outside the scope of VAT no VAT ids are given (BR-O-2)."""
    contact = party.get("contact") or party.get("phone")
    vat_id = "" if outside else party.get("vat_id")
    return [
        _identifier(party, vat_id),
        ("ram:Name", party["name"]),
        ("ram:DefinedTradeContact",
         ("ram:PersonName", party["contact"]) if party.get("contact") else None,
         ("ram:TelephoneUniversalCommunication", ("ram:CompleteNumber", party["phone"]))
         if party.get("phone") else None,
         ("ram:EmailURIUniversalCommunication", ("ram:URIID", party["email"])) if party.get("email") else None)
        if contact else None,
        ("ram:PostalTradeAddress",
         ("ram:PostcodeCode", party["postal_code"]) if party["postal_code"] else None,
         ("ram:LineOne", party["street"]) if party["street"] else None,
         ("ram:CityName", party["city"]) if party["city"] else None,
         ("ram:CountryID", party["country"])),
        ("ram:URIUniversalCommunication", ("ram:URIID", {"schemeID": "EM"}, party["email"]))
        if party.get("email") else None,
        ("ram:SpecifiedTaxRegistration", ("ram:ID", {"schemeID": "VA"}, vat_id)) if vat_id else None,
        ("ram:SpecifiedTaxRegistration", ("ram:ID", {"schemeID": "FC"}, party["tax_number"]))
        if party.get("tax_number") else None,
    ]  # fmt: skip


def _identifier(party: Mapping[str, Any], vat_id: str | None) -> Node | None:
    """A seller is known by an identifier where its VAT id is not given (BR-CO-26)."""
    known = party.get("tax_number") or party.get("identifier")
    return ("ram:ID", known) if known and not vat_id else None


def _settlement(figures: Figures) -> Node:
    payment = figures.payment
    return (
        "ram:ApplicableHeaderTradeSettlement",
        ("ram:CreditorReferenceID", payment["creditor_id"]) if payment.get("creditor_id") else None,
        ("ram:PaymentReference", payment["reference"]) if payment.get("reference") else None,
        ("ram:InvoiceCurrencyCode", figures.currency),
        _means(payment),
        [_tax(group, figures) for group in figures.groups],
        ("ram:BillingSpecifiedPeriod",
         ("ram:StartDateTime", _date(figures.period[0])), ("ram:EndDateTime", _date(figures.period[1]))),
        ("ram:SpecifiedTradePaymentTerms", ("ram:DueDateDateTime", _date(figures.due_on)),
         ("ram:DirectDebitMandateID", payment["mandate"]) if payment.get("mandate") else None),
        _sums(figures),
        ("ram:InvoiceReferencedDocument",
         ("ram:IssuerAssignedID", figures.preceding["number"]),
         ("ram:FormattedIssueDateTime",
          ("qdt:DateTimeString", {"format": "102"}, figures.preceding["issued_on"].replace("-", ""))))
        if figures.preceding else None,
    )  # fmt: skip


def _means(payment: Mapping[str, Any]) -> Node | None:
    if not payment:
        return None
    if payment["means"] != "58":
        return ("ram:SpecifiedTradeSettlementPaymentMeans", ("ram:TypeCode", payment["means"]))
    return (
        "ram:SpecifiedTradeSettlementPaymentMeans",
        ("ram:TypeCode", payment["means"]),
        ("ram:PayeePartyCreditorFinancialAccount",
         ("ram:IBANID", payment["iban"]), ("ram:AccountName", payment["holder"])),
        ("ram:PayeeSpecifiedCreditorFinancialInstitution", ("ram:BICID", payment["bic"]))
        if payment.get("bic") else None,
    )  # fmt: skip


def _tax(group: Group, figures: Figures) -> Node:
    return (
        "ram:ApplicableTradeTax",
        ("ram:CalculatedAmount", figures.money(group.vat)),
        ("ram:TypeCode", "VAT"),
        ("ram:ExemptionReason", group.reason) if group.reason else None,
        ("ram:BasisAmount", figures.money(group.net)),
        ("ram:CategoryCode", group.category),
        ("ram:ExemptionReasonCode", group.reason_code) if group.reason_code else None,
        None if group.category == OUTSIDE else ("ram:RateApplicablePercent", f"{group.rate:f}"),
    )


def _sums(figures: Figures) -> Node:
    return (
        "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
        ("ram:LineTotalAmount", figures.money(figures.net)),
        ("ram:TaxBasisTotalAmount", figures.money(figures.net)),
        ("ram:TaxTotalAmount", {"currencyID": figures.currency}, figures.money(figures.vat)),
        ("ram:RoundingAmount", figures.money(figures.rounding)) if figures.rounding else None,
        ("ram:GrandTotalAmount", figures.money(figures.with_vat)),
        ("ram:TotalPrepaidAmount", figures.money(figures.prepaid)) if figures.prepaid else None,
        ("ram:DuePayableAmount", figures.money(figures.due)),
    )


def _line(line: Line, figures: Figures) -> Node:
    return (
        "ram:IncludedSupplyChainTradeLineItem",
        ("ram:AssociatedDocumentLineDocument", ("ram:LineID", str(line.number))),
        ("ram:SpecifiedTradeProduct",
         ("ram:Name", line.name),
         ("ram:Description", line.description) if line.description else None,
         [("ram:ApplicableProductCharacteristic", ("ram:Description", name), ("ram:Value", value))
          for name, value in line.attributes]),
        ("ram:SpecifiedLineTradeAgreement",
         ("ram:NetPriceProductTradePrice", ("ram:ChargeAmount", figures.money(line.price)))),
        ("ram:SpecifiedLineTradeDelivery",
         ("ram:BilledQuantity", {"unitCode": line.unit}, f"{line.quantity:f}")),
        ("ram:SpecifiedLineTradeSettlement",
         ("ram:ApplicableTradeTax",
          ("ram:TypeCode", "VAT"), ("ram:CategoryCode", line.category),
          None if line.category == OUTSIDE else ("ram:RateApplicablePercent", f"{line.rate:f}")),
         ("ram:BillingSpecifiedPeriod",
          ("ram:StartDateTime", _date(line.begin)), ("ram:EndDateTime", _date(line.end))),
         ("ram:SpecifiedTradeSettlementLineMonetarySummation",
          ("ram:LineTotalAmount", figures.money(line.net))),
         ("ram:ReceivableSpecifiedTradeAccountingAccount", ("ram:ID", line.cost_centre))
         if line.cost_centre else None),
    )  # fmt: skip
