"""Reading what a bank gives out, camt.053 or CSV, and knowing it again (B-46)."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from billing.services.payments import camt
from billing.services.payments.bookings import Booking, currency_of, decimal_of
from core.errors import Invalid

LARGEST = 10 * 1024 * 1024
MOST_LINES = 20_000
_NAMES = {
    "date": ("date", "booking date", "buchungstag", "buchungsdatum", "datum"),
    "amount": ("amount", "betrag"),
    "currency": ("currency", "währung", "waehrung"),
    "text": ("text", "reference", "purpose", "verwendungszweck"),
    "name": ("name", "payer", "auftraggeber", "beguenstigter/zahlungspflichtiger", "zahlungspflichtiger"),
}


def read(content: bytes, currency: str) -> tuple[str, list[Booking]]:
    """The format and its bookings. Raises :class:`Invalid` for what is neither, too large, or broken."""
    if len(content) > LARGEST:
        raise Invalid("The file is larger than 10 MB.", field="file")
    start = content.lstrip(b"\xef\xbb\xbf \r\n\t")[:1]
    kind, found = ("camt.053", camt.read(content)) if start == b"<" else ("csv", _table(content, currency))
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
            _date(cell("date")), _localized(cell("amount")), currency_of(cell("currency") or currency),
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
    return decimal_of(plain.replace(",", ""))
