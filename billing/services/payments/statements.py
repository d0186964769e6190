"""Reading what a bank gives out: camt.053 and CSV, streamed, bounded, and without a document's tricks (B-46)."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from core.errors import Invalid
from core.money import CURRENCIES

LARGEST = 10 * 1024 * 1024
MOST_LINES = 20_000
_NAMES = {
    "date": ("date", "booking date", "buchungstag", "buchungsdatum", "datum"),
    "amount": ("amount", "betrag"),
    "currency": ("currency", "währung", "waehrung"),
    "text": ("text", "reference", "purpose", "verwendungszweck"),
    "name": ("name", "payer", "auftraggeber", "beguenstigter/zahlungspflichtiger", "zahlungspflichtiger"),
}


@dataclass(frozen=True, slots=True)
class Booking:
    """One booking of a statement; debits are negative."""

    booked_on: date
    amount: Decimal
    currency: str
    text: str
    name: str
    end_to_end_id: str = ""
    return_reason: str = ""
    bank_reference: str = ""


def read(content: bytes, currency: str) -> tuple[str, list[Booking]]:
    """The format and its bookings. Raises :class:`Invalid` for what is neither, too large, or broken."""
    if len(content) > LARGEST:
        raise Invalid("The file is larger than 10 MB.", field="file")
    start = content.lstrip(b"\xef\xbb\xbf \r\n\t")[:1]
    kind, found = ("camt.053", _camt(content)) if start == b"<" else ("csv", _table(content, currency))
    bookings = []
    for booking in found:
        bookings.append(booking)
        if len(bookings) > MOST_LINES:
            raise Invalid("The file has more than 20,000 bookings. Import it in parts.", field="file")
    if not bookings:
        raise Invalid("The file holds no booking.", field="file")
    return kind, bookings


def fingerprints(bookings: list[Booking]) -> list[str]:
    """What makes each booking known again in another file. Twins on one day are told apart by their count."""
    seen: Counter[str] = Counter()
    marks = []
    for one in bookings:
        parts = (
            one.booked_on,
            f"{one.amount:f}",
            one.currency,
            one.text,
            one.name,
            one.end_to_end_id,
            one.bank_reference,
        )
        mark = "\x1f".join(str(part) for part in parts)
        seen[mark] += 1
        marks.append(hashlib.sha256(f"{mark}\x1f{seen[mark]}".encode()).hexdigest())
    return marks


def _camt(content: bytes) -> Iterator[Booking]:
    depth: list[Element] = []
    try:
        for event, element in iterparse(io.BytesIO(content), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                depth.append(element)
                if len(depth) > 40:
                    raise Invalid("The file is nested too deeply.", field="file")
                continue
            depth.pop()
            if _local(element) == "Ntry":
                yield from _entry(element)
                element.clear()
    except (ParseError, DefusedXmlException, ValueError, InvalidOperation) as error:
        raise Invalid("This is no camt.053 file that can be read.", field="file") from error


def _entry(entry: Element) -> Iterator[Booking]:
    """Booked entries; a collective one by its transactions where they have amounts."""
    status = _text(entry, "Sts/Cd") or _text(entry, "Sts")
    if status not in ("BOOK", ""):
        return
    details = _all(entry, "NtryDtls/TxDtls")
    booked = _text(entry, "BookgDt/Dt") or _text(entry, "BookgDt/DtTm")[:10]
    sign = _sign(entry)
    for part in details if len(details) > 1 else [details[0] if details else entry]:
        amount = _find(part, "Amt")
        if amount is None:
            amount = _find(part, "AmtDtls/TxAmt/Amt")
        if amount is None:
            amount = _find(entry, "Amt")
        if amount is None:
            raise ValueError("an entry without an amount")
        side = "Dbtr" if sign > 0 else "Cdtr"
        name = _text(part, f"RltdPties/{side}/Pty/Nm") or _text(part, f"RltdPties/{side}/Nm")
        words = [*_texts(part, "RmtInf/Strd/CdtrRefInf/Ref"), *_texts(part, "RmtInf/Ustrd")]
        end_to_end = _text(part, "Refs/EndToEndId")
        yield Booking(
            date.fromisoformat(booked),
            sign * _decimal(amount.text or ""),
            _currency(amount.get("Ccy", "")),
            " ".join(words)[:500],
            name[:140],
            "" if end_to_end == "NOTPROVIDED" else end_to_end[:35],
            (_text(part, "RtrInf/Rsn/Cd") or _text(part, "RtrInf/Rsn/Prtry"))[:35],
            (_text(part, "Refs/AcctSvcrRef") or _text(entry, "AcctSvcrRef"))[:35],
        )


def _sign(entry: Element) -> int:
    return {"CRDT": 1, "DBIT": -1}[_text(entry, "CdtDbtInd") or "CRDT"]


def _table(content: bytes, currency: str) -> Iterator[Booking]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    head = text[:2000].splitlines()[0] if text.strip() else ""
    rows = csv.reader(
        io.StringIO(text), delimiter=";" if head.count(";") >= head.count(",") else ",", strict=True
    )
    try:
        columns = _columns(next(rows, []))
        for row in rows:
            if any(cell.strip() for cell in row):
                yield _row(row, columns, currency, rows.line_num)
    except csv.Error as error:
        raise Invalid("The table cannot be read.", field="file") from error


def _columns(head: list[str]) -> dict[str, int]:
    plain = [cell.strip().lower() for cell in head]
    found = {
        name: next((plain.index(one) for one in known if one in plain), -1) for name, known in _NAMES.items()
    }
    if found["date"] < 0 or found["amount"] < 0:
        raise Invalid("The first line names the columns; “date” and “amount” are needed.", field="file")
    return found


def _row(row: list[str], columns: dict[str, int], currency: str, line: int) -> Booking:
    def cell(name: str) -> str:
        place = columns[name]
        return row[place].strip().replace("\x00", "") if 0 <= place < len(row) else ""

    try:
        return Booking(
            _date(cell("date")), _localized(cell("amount")), _currency(cell("currency") or currency),
            cell("text")[:500], cell("name")[:140],
        )  # fmt: skip
    except (ValueError, InvalidOperation) as error:
        raise Invalid(f"Line {line} has no date or amount that can be read.", field="file") from error


def _date(text: str) -> date:
    for form in ("%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y"):
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007  a day has no zone
        except ValueError:
            continue
    raise ValueError(text)


def _localized(text: str) -> Decimal:
    """``1.234,56`` and ``1,234.56``: the last sign of the two is the decimal one."""
    plain = text.replace(" ", "").replace("\u00a0", "")
    if plain.rfind(",") > plain.rfind("."):
        plain = plain.replace(".", "").replace(",", ".")
    return _decimal(plain.replace(",", ""))


def _decimal(text: str) -> Decimal:
    value = Decimal(text.strip())
    if not value.is_finite() or abs(value) >= Decimal(10) ** 12 or value != round(value, 4) or not value:
        raise ValueError(text)
    return value


def _currency(text: str) -> str:
    if text.upper() not in CURRENCIES:
        raise ValueError(text)
    return text.upper()


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _all(element: Element, path: str) -> list[Element]:
    found = [element]
    for name in path.split("/"):
        found = [child for one in found for child in one if _local(child) == name]
    return found


def _find(element: Element, path: str) -> Element | None:
    return next(iter(_all(element, path)), None)


def _texts(element: Element, path: str) -> list[str]:
    return [one.text.strip().replace("\x00", "") for one in _all(element, path) if one.text]


def _text(element: Element, path: str) -> str:
    return next(iter(_texts(element, path)), "")
