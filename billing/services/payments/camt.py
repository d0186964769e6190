"""Reading camt.053, streamed, bounded, and without a document's tricks (B-46)."""

import io
from collections.abc import Iterator
from datetime import date
from decimal import InvalidOperation
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from billing.services.payments.bookings import Booking, currency_of, decimal_of
from core.errors import Invalid


def read(content: bytes) -> Iterator[Booking]:
    """The booked entries. Raises :class:`Invalid` for what is no such file."""
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
            sign * decimal_of(amount.text or ""),
            currency_of(amount.get("Ccy", "")),
            " ".join(words)[:500],
            name[:140],
            "" if end_to_end == "NOTPROVIDED" else end_to_end[:35],
            (_text(part, "RtrInf/Rsn/Cd") or _text(part, "RtrInf/Rsn/Prtry"))[:35],
            (_text(part, "Refs/AcctSvcrRef") or _text(entry, "AcctSvcrRef"))[:35],
        )


def _sign(entry: Element) -> int:
    return {"CRDT": 1, "DBIT": -1}[_text(entry, "CdtDbtInd") or "CRDT"]


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
