"""Issued documents of a period for the accountant and for an audit (GoBD): tables as CSV, described by index.xml.

Figures come from the snapshots, as the documents do. The DATEV-like table has the columns of its booking batch in
the plain order; which accounts are posted to is given by the caller.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from lxml import etree

from billing.models import DocumentType, Invoice, Journal, LedgerEntry, Payout, WriteOff
from core import audit, cells
from core.access import Actor, Permission
from core.errors import Invalid
from core.models import Organization

Row = Sequence[str]
LONGEST_DAYS = 3660
LAST_YEAR = 9998


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is exported: documents issued from ``first`` to ``last``, and what was posted on those days."""

    organization: Organization
    first: date
    last: date
    invoices: QuerySet[Invoice]


@dataclass(frozen=True, slots=True)
class Table:
    """One file of the export; ``numeric`` are the names of columns with amounts."""

    name: str
    columns: Sequence[str]
    numeric: frozenset[str]
    rows: Callable[[Chosen], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Accounts:
    """Ledger accounts of the accountant's chart; revenue by rate of VAT."""

    receivable: str = "10000"
    revenue: Mapping[str, str] | None = None
    other: str = "8400"

    def of(self, rate: str) -> str:
        return (self.revenue or {}).get(rate, self.other)


def gobd(organization: Organization, first: date, last: date, *, by: Actor) -> bytes:
    """A zip of the tables and ``index.xml``. Raises :class:`Invalid` for a period that is none."""
    chosen = Chosen(organization, first, last, _issued(organization, first, last, by, "gobd"))
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for table in TABLES:
            archive.writestr(f"{table.name}.csv", _csv(table.columns, table.rows(chosen)))
        archive.writestr("index.xml", _index(organization, first, last))
    return into.getvalue()


def datev(
    organization: Organization, first: date, last: date, *, accounts: Accounts | None = None, by: Actor
) -> bytes:
    """A booking for each document and rate: gross amount, debit or credit, accounts, date, number."""
    invoices = _issued(organization, first, last, by, "datev")
    columns = (
        "Umsatz",
        "Soll/Haben",
        "WKZ",
        "Konto",
        "Gegenkonto",
        "Belegdatum",
        "Belegfeld 1",
        "Buchungstext",
    )
    return _csv(columns, _bookings(invoices, accounts or Accounts()))


def _issued(organization: Organization, first: date, last: date, by: Actor, kind: str) -> QuerySet[Invoice]:
    by.require_everywhere(Permission.INVOICES_MANAGE, organization)
    if not 0 <= (last - first).days <= LONGEST_DAYS or last.year > LAST_YEAR:
        raise Invalid("The period ends after it begins and has at most ten years.", field="to")
    audit.record(
        "invoices.exported",
        organization,
        by=by,
        changes={"period": audit.change(None, f"{kind} {first}/{last}")},
    )
    rows = Invoice.objects.filter(organization=organization, issued_on__range=(first, last))
    return rows.select_related("account").order_by("issued_on", "series_id", "sequence")


def _documents(chosen: Chosen) -> Iterator[Row]:
    for one in chosen.invoices.iterator(chunk_size=500):
        told = one.snapshot
        yield (
            one.number, one.document_type, str(one.issued_on), str(one.due_on), one.period, one.currency,
            str(told.get("buyer", {}).get("name", "")), str(told.get("buyer", {}).get("vat_id", "")),
            _amount(one.net), _amount(one.vat), _amount(one.rounding), _amount(one.due),
            str(told.get("preceding") or ""), one.digest,
        )  # fmt: skip


def _lines(chosen: Chosen) -> Iterator[Row]:
    for one in chosen.invoices.iterator(chunk_size=200):
        for place, line in enumerate(one.snapshot["lines"], 1):
            yield (
                one.number, str(place), line["cdr"], line["start"], line["end"], line["energy_kwh"],
                str(line.get("vat_category", "S")), line["vat_rate"], _amount(Decimal(line["net"])),
                str(line.get("cost_centre", "")),
            )  # fmt: skip


def _taxes(chosen: Chosen) -> Iterator[Row]:
    for one in chosen.invoices.iterator(chunk_size=500):
        for group in one.vat_groups:
            net, vat = Decimal(group["net"]), Decimal(group["vat"])
            yield one.number, group.get("category", "S"), group["rate"], _amount(net), _amount(vat)


def _ledger(chosen: Chosen) -> Iterator[Row]:
    """What was posted in the period, of documents and payments alike."""
    zone = ZoneInfo(chosen.organization.time_zone)
    begin, end = (
        datetime.combine(day, time(), zone) for day in (chosen.first, chosen.last + timedelta(days=1))
    )
    entries = LedgerEntry.objects.filter(
        journal__organization=chosen.organization, journal__posted_at__gte=begin, journal__posted_at__lt=end
    ).select_related(
        "journal__invoice", "journal__payout__invoice", "journal__write_off__invoice", "journal__payment_posting",
        "journal__movement",
    )  # fmt: skip
    for entry in entries.order_by("id").iterator(chunk_size=1000):
        journal = entry.journal
        yield (
            str(journal.pk), _number(journal), journal.posted_at.isoformat(), entry.account,
            _amount(entry.amount), journal.currency, _payment(journal),
        )  # fmt: skip


def _number(journal: Journal) -> str:
    """Of the document that was issued, paid out or given up by it."""
    beside: Payout | WriteOff | None = getattr(journal, "payout", None) or getattr(journal, "write_off", None)
    invoice = journal.invoice or (beside.invoice if beside else None)
    return invoice.number if invoice else ""


def _payment(journal: Journal) -> str:
    """Of which payment it is, or which booking at the provider."""
    posting, movement = getattr(journal, "payment_posting", None), getattr(journal, "movement", None)
    return str(posting.payment_id) if posting else movement.reference if movement else ""


def _bookings(invoices: QuerySet[Invoice], accounts: Accounts) -> Iterator[Row]:
    # Statements are no claims: which accounts they are booked to is for who keeps the books.
    for one in invoices.exclude(document_type=DocumentType.SELF_BILLED).iterator(chunk_size=500):
        side = "H" if one.document_type == DocumentType.CREDIT_NOTE else "S"
        left = one.rounding
        for group in one.vat_groups:
            amount = Decimal(group["net"]) + Decimal(group["vat"]) + left
            left = Decimal(0)
            yield (
                _comma(amount), side, one.currency, accounts.receivable, accounts.of(group["rate"]),
                f"{one.issued_on:%d%m}", one.number, str(one.snapshot["buyer"]["name"]),
            )  # fmt: skip


def _csv(columns: Row, rows: Iterable[Row]) -> bytes:
    into = io.StringIO()
    writer = csv.writer(into, delimiter=";", quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return into.getvalue().encode("utf-8")


def _plain(cell: str) -> str:
    """A text that a spreadsheet would take for a formula is quoted; amounts are no texts (W-23)."""
    text = cell.replace("\r", " ").replace("\n", " ")
    number = text.removeprefix("-").replace(",", ".", 1)
    return text if number.replace(".", "", 1).isdecimal() else cells.guarded(text)


def _amount(amount: Decimal) -> str:
    return f"{amount:.4f}".rstrip("0").ljust(len(f"{amount:.2f}"), "0")


def _comma(amount: Decimal) -> str:
    return _amount(amount).replace(".", ",")


def _index(organization: Organization, first: date, last: date) -> bytes:
    """The description that audit software reads (GDPdU standard of 2004)."""
    root = etree.Element("DataSet")
    _under(root, "Version", "1.0")
    supplier = etree.SubElement(root, "DataSupplier")
    _under(supplier, "Name", organization.name)
    _under(supplier, "Location", "")
    _under(supplier, "Comment", f"{first} – {last}")
    media = etree.SubElement(root, "Media")
    _under(media, "Name", "Chargeyard")
    for table in TABLES:
        _describe(etree.SubElement(media, "Table"), table)
    doctype = '<!DOCTYPE DataSet SYSTEM "gdpdu-01-08-2002.dtd">'
    return bytes(
        etree.tostring(root, xml_declaration=True, encoding="UTF-8", doctype=doctype, pretty_print=True)
    )


def _describe(node: Any, table: Table) -> None:
    _under(node, "URL", f"{table.name}.csv")
    _under(node, "Name", table.name)
    etree.SubElement(node, "UTF8")
    _under(node, "DecimalSymbol", ".")
    _under(node, "DigitGroupingSymbol", ",")
    _under(etree.SubElement(node, "Range"), "From", "2")
    form = etree.SubElement(node, "VariableLength")
    _under(form, "ColumnDelimiter", ";")
    _under(form, "RecordDelimiter", "&#13;&#10;")
    _under(form, "TextEncapsulator", '"')
    for place, name in enumerate(table.columns):
        column = etree.SubElement(form, "VariablePrimaryKey" if place == 0 and table.name == "documents" else
                                  "VariableColumn")  # fmt: skip
        _under(column, "Name", name)
        if name in table.numeric:
            _under(etree.SubElement(column, "Numeric"), "Accuracy", "4")
        else:
            etree.SubElement(column, "AlphaNumeric")


def _under(parent: Any, name: str, text: str) -> None:
    etree.SubElement(parent, name).text = text


TABLES = (
    Table(
        "documents",
        ("number", "type", "issued_on", "due_on", "period", "currency", "buyer", "buyer_vat_id", "net", "vat",
         "rounding", "due", "preceding", "sha256"),
        frozenset({"net", "vat", "rounding", "due"}),
        _documents,
    ),
    Table(
        "lines",
        ("number", "place", "cdr", "start", "end", "energy_kwh", "vat_category", "vat_rate", "net",
         "cost_centre"),
        frozenset({"energy_kwh", "vat_rate", "net"}),
        _lines,
    ),
    Table("taxes", ("number", "category", "rate", "net", "vat"), frozenset({"rate", "net", "vat"}), _taxes),
    Table(
        "ledger",
        ("journal", "number", "posted_at", "account", "amount", "currency", "payment"),
        frozenset({"amount"}),
        _ledger,
    ),
)  # fmt: skip
