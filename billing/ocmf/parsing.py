"""One OCMF record: ``OCMF|{payload}|{signature}`` with its readings; the payload's bytes are kept as they came."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

LONGEST = 200_000
HEADER = "OCMF|"
_REPEATED = ("TM", "TX", "RV", "RI", "RU", "RT", "CL", "EF", "ST")
_KWH: Mapping[str, Decimal] = {"kWh": Decimal(1), "Wh": Decimal("0.001")}


class Unreadable(Exception):
    """``code`` says what is wrong with the form; see :data:`billing.ocmf.verifying.CODES`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Reading:
    """``TX`` begin ``B``, end one of ``E L R A P``; ``value`` has the digits that were signed (its resolution)."""

    time: str
    clock: str
    kind: str
    value: Decimal | None
    unit: str
    obis: str
    errors: str
    status: str

    @property
    def kwh(self) -> Decimal | None:
        factor = _KWH.get(self.unit)
        return None if factor is None or self.value is None else self.value * factor


@dataclass(frozen=True, slots=True)
class Record:
    """``signed`` are exactly the bytes between the bars (B-61)."""

    text: str
    signed: bytes
    payload: Mapping[str, Any]
    algorithm: str
    encoding: str
    signature: str
    readings: tuple[Reading, ...]

    def told(self, name: str) -> str:
        return str(self.payload.get(name) or "")

    @property
    def identification(self) -> tuple[str, str]:
        return self.told("IT"), self.told("ID")

    @property
    def page(self) -> tuple[str, int] | None:
        """Context and number of ``PG``, such as ``("T", 17)``."""
        text = self.told("PG")
        return (text[:1], int(text[1:])) if text[:1].isalpha() and text[1:].isdecimal() else None


def parse(text: str) -> Record:
    """Raises :class:`Unreadable`. The last bar ends the payload, since a signature has none."""
    given = text.strip("\r\n\t \0")
    if len(given) > LONGEST:
        raise Unreadable("too_long")
    if not given.startswith(HEADER):
        raise Unreadable("not_ocmf")
    payload, bar, signature = given[len(HEADER) :].rpartition("|")
    if not bar:
        raise Unreadable("signature_missing")
    told = _object(payload, "payload_unreadable")
    sign = _object(signature, "signature_unreadable")
    if not isinstance(sign.get("SD"), str) or not sign["SD"]:
        raise Unreadable("signature_missing")
    return Record(
        text=given,
        signed=payload.encode(),
        payload=told,
        algorithm=str(sign.get("SA") or "ECDSA-secp256r1-SHA256"),
        encoding=str(sign.get("SE") or "hex"),
        signature=sign["SD"],
        readings=_readings(told.get("RD")),
    )


def _object(text: str, code: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise Unreadable(code) from None
    if not isinstance(found, dict):
        raise Unreadable(code)
    return found


def _readings(rows: Any) -> tuple[Reading, ...]:
    """Fields that a reading omits repeat those of the one before (B-62)."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable("readings_missing")
    before: dict[str, Any] = {}
    found = []
    for row in rows:
        before = {**before, **{name: row[name] for name in _REPEATED if name in row}}
        found.append(_reading(before))
    return tuple(found)


def _reading(row: Mapping[str, Any]) -> Reading:
    told = {name: str(row.get(name) if row.get(name) is not None else "") for name in _REPEATED}
    time, _, state = told["TM"].rpartition(" ")
    return Reading(
        time=time,
        clock=state,
        kind=told["TX"],
        value=_decimal(told["RV"]),
        unit=told["RU"],
        obis=told["RI"],
        errors=told["EF"],
        status=told["ST"],
    )


def _decimal(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) < Decimal(10) ** 15 else None
