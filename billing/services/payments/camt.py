"""Reading camt.053, streamed, bounded, and without a document's tricks (B-46)."""

import io
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import product
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from billing.services.payments.bookings import Booking, Note, currency_of, decimal_of
from core.errors import Invalid

_SIGNS = {"CRDT": 1, "DBIT": -1}
_OF_ACCOUNT = ("Amt", "AmtDtls/TxAmt/Amt")
_OF_PART = (*_OF_ACCOUNT, "AmtDtls/InstdAmt/Amt")


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
    """Booked entries; a collective one by its transactions where their amounts add up to it, else as a whole."""
    status = _text(entry, "Sts/Cd") or _text(entry, "Sts/Prtry") or _text(entry, "Sts")
    if status not in ("BOOK", ""):
        return
    parts, total = _all(entry, "NtryDtls/TxDtls"), _total(entry)
    if max(len(parts), _count(entry)) <= 1:
        yield _single(entry, parts[0] if parts else entry, total)
        return
    amounts = [_own_amount(part, entry) for part in parts]
    known = [one for one in amounts if one is not None]
    if len(known) < max(len(parts), _count(entry)) or sum(known) != total:
        yield _whole(entry, parts, total)
        return
    for part, amount in zip(parts, known, strict=True):
        yield _booking(entry, part, amount)


def _single(entry: Element, part: Element, total: Decimal) -> Booking:
    """What the account got or gave; what a payer sent may have been more, or in another currency."""
    sent = _own_amount(part, entry, _OF_ACCOUNT) if part is not entry else None
    charged = total > 0 and sent not in (None, total)
    return _booking(entry, part, total, note=Note.CHARGES if charged else "", batch=_batch(entry, [part]))


def _whole(entry: Element, parts: list[Element], total: Decimal) -> Booking:
    words = [word for part in parts for word in _words(part)]
    return Booking(
        _booked_on(entry), total, _currency(entry), " ".join([*words, *_texts(entry, "AddtlNtryInf")])[:500], "",
        bank_reference=_text(entry, "AcctSvcrRef")[:35], note=Note.PARTS, batch=_batch(entry, parts),
        is_reversal=_is_reversal(entry),
    )  # fmt: skip


def _booking(entry: Element, part: Element, amount: Decimal, *, note: str = "", batch: str = "") -> Booking:
    side = "Dbtr" if (amount > 0) != _is_reversal(entry) else "Cdtr"
    name = _text(part, f"RltdPties/{side}/Pty/Nm") or _text(part, f"RltdPties/{side}/Nm")
    end_to_end = _text(part, "Refs/EndToEndId")
    return Booking(
        _booked_on(entry), amount, _currency(entry), " ".join(_words(part))[:500], name[:140],
        "" if end_to_end == "NOTPROVIDED" else end_to_end[:35],
        (_text(part, "RtrInf/Rsn/Cd") or _text(part, "RtrInf/Rsn/Prtry"))[:35],
        (_text(part, "Refs/AcctSvcrRef") or _text(entry, "AcctSvcrRef"))[:35],
        note=note, batch=batch, is_reversal=_is_reversal(entry),
    )  # fmt: skip


def _own_amount(part: Element, entry: Element, places: tuple[str, ...] = _OF_PART) -> Decimal | None:
    """The amount that a part tells of itself in the entry's currency, or ``None``."""
    amount = next((one for one in (_find(part, place) for place in places) if one is not None), None)
    if amount is None or amount.get("Ccy", "") != _currency(entry):
        return None
    try:
        value = decimal_of(amount.text or "")
    except (ValueError, InvalidOperation):
        return None
    return _sign(part, _text(entry, "CdtDbtInd")) * value if value > 0 else None


def _total(entry: Element) -> Decimal:
    value = decimal_of(_text(entry, "Amt"))
    if value < 0:
        raise ValueError("an amount below nothing")
    return _sign(entry) * value


def _sign(element: Element, default: str = "") -> int:
    said = _text(element, "CdtDbtInd") or default
    if said not in _SIGNS:
        raise ValueError(said)
    return _SIGNS[said]


def _currency(entry: Element) -> str:
    amount = _find(entry, "Amt")
    return currency_of(amount.get("Ccy", "") if amount is not None else "")


def _booked_on(entry: Element) -> date:
    said = (_text(entry, f"{name}/Dt") or _text(entry, f"{name}/DtTm")[:10] for name in ("BookgDt", "ValDt"))
    return date.fromisoformat(next(filter(None, said), ""))


def _is_reversal(entry: Element) -> bool:
    return _text(entry, "RvslInd") in ("true", "1")


def _count(entry: Element) -> int:
    """How many payments the bank says an entry is of."""
    return sum(int(one) for one in _texts(entry, "NtryDtls/Btch/NbOfTxs") if one.isdecimal())


def _batch(entry: Element, parts: list[Element]) -> str:
    """The name of the one file, or part of a file, that an entry is about."""
    for where, name in product(("Btch", "Refs"), ("PmtInfId", "MsgId")):
        of = _all(entry, "NtryDtls/Btch") if where == "Btch" else [_find(part, "Refs") for part in parts]
        said = {_text(one, name) for one in of if one is not None} - {"", "NOTPROVIDED"}
        if len(said) == 1:
            return said.pop()[:35]
    return ""


def _words(part: Element) -> list[str]:
    return [*_texts(part, "RmtInf/Strd/CdtrRefInf/Ref"), *_texts(part, "RmtInf/Ustrd")]


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
