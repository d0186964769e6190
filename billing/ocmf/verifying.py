"""Whether a signature holds and whether a pair of readings can be billed; each failure has its code (B-61, B-62)."""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from django.utils.translation import gettext_noop

from billing.ocmf.curves import SECP192K1, SECP192R1, Curve
from billing.ocmf.parsing import Reading, Record, Unreadable, parse

BEGIN = "B"
ENDS = frozenset("ELRAP")
BROKEN = "X"
TIME_FAILED = "t"
SYNCHRONIZED = frozenset({"S", "R"})
CODES: Mapping[str, str] = {
    "not_ocmf": gettext_noop("It does not begin with OCMF."),
    "too_long": gettext_noop("It is longer than a record can be."),
    "payload_unreadable": gettext_noop("The payload is not JSON."),
    "signature_unreadable": gettext_noop("The signature part is not JSON."),
    "signature_missing": gettext_noop("It has no signature."),
    "readings_missing": gettext_noop("It has no readings."),
    "key_missing": gettext_noop("No public key is registered for this meter."),
    "key_unreadable": gettext_noop("The public key cannot be read."),
    "key_of_another_meter": gettext_noop("The key registered for the meter is another one."),
    "algorithm_unknown": gettext_noop("The way of signing is not known."),
    "signature_encoding": gettext_noop("The signature is neither hex nor base64 of DER."),
    "signature_wrong": gettext_noop("The signature does not fit the values."),
    "begin_missing": gettext_noop("There is no signed reading of the begin."),
    "end_missing": gettext_noop("There is no signed reading of the end."),
    "reading_between": gettext_noop("A reading between says that the session was broken."),
    "meter_differs": gettext_noop("Begin and end are of different meters."),
    "gateway_differs": gettext_noop("Begin and end are of different gateways."),
    "identification_differs": gettext_noop("Begin and end are of different identifications."),
    "pagination_missing": gettext_noop("A record has no number."),
    "pagination_jumps": gettext_noop("The records do not follow each other."),
    "error_flag": gettext_noop("The meter reports an error of the billed quantity."),
    "time_error_flag": gettext_noop("The meter reports an error of its time, which is billed."),
    "status_not_good": gettext_noop("The meter's status is not good."),
    "unit_unknown": gettext_noop("The unit is neither kWh nor Wh."),
    "value_unreadable": gettext_noop("A reading has no number."),
    "register_fell": gettext_noop("The end is lower than the begin."),
    "register_differs": gettext_noop("Begin and end are of different registers."),
    "clock_not_synchronized": gettext_noop("The meter's clock was not synchronized."),
}
"""Every failure, in words."""
_CURVES: Mapping[str, type[ec.EllipticCurve]] = {
    "secp256r1": ec.SECP256R1,
    "secp256k1": ec.SECP256K1,
    "secp384r1": ec.SECP384R1,
    "brainpool256r1": ec.BrainpoolP256R1,
    "brainpoolp256r1": ec.BrainpoolP256R1,
    "brainpool384r1": ec.BrainpoolP384R1,
    "brainpoolp384r1": ec.BrainpoolP384R1,
}
_SMALL: Mapping[str, Curve] = {"secp192k1": SECP192K1, "secp192r1": SECP192R1}


@dataclass(frozen=True, slots=True)
class Pair:
    """What a session is billed from: begin and end in kWh with their signed digits, and what is wrong."""

    begin: Reading | None
    end: Reading | None
    reasons: tuple[str, ...]

    @property
    def valid(self) -> bool:
        return not self.reasons

    @property
    def kwh(self) -> Decimal | None:
        """Energy between the two; ``None`` where either cannot be told."""
        if self.begin is None or self.end is None or self.begin.kwh is None or self.end.kwh is None:
            return None
        return self.end.kwh - self.begin.kwh


def check(record: Record, public_key: str) -> str:
    """The code of what is wrong with the signature; empty where it holds under the key."""
    try:
        name, size = _algorithm(record.algorithm)
        signature = _signature(record)
        if name in _SMALL:
            return _check_small(_SMALL[name], record, signature, public_key)
        key = _key(public_key, _CURVES[name]())
        key.verify(
            signature, record.signed, ec.ECDSA(hashes.SHA256() if size == "SHA256" else hashes.SHA384())
        )
    except Unreadable as why:
        return why.code
    except InvalidSignature:
        return "signature_wrong"
    return ""


def verify(
    texts: Sequence[str], public_key: str, *, synchronized: bool = False, time_billed: bool = False
) -> Pair:
    """Begin and end, in one record or in two, with every reason why they cannot be billed.

    ``synchronized``: the policy asks for a clock that is (``TM`` with ``S`` or ``R``). ``time_billed``: time is
    charged for, beside energy.
    """
    try:
        records = [parse(text) for text in texts]
    except Unreadable as why:
        return Pair(None, None, (why.code,))
    if not records:
        return Pair(None, None, ("not_ocmf",))
    reasons = [check(record, public_key) for record in records] if public_key else ["key_missing"]
    begin, end = _found(records, BEGIN), _last(records)
    reasons += _of_pair(records, begin, end)
    reasons += _of_errors(records, time_billed)
    for reading in (begin, end):
        reasons += [] if reading is None else _of_reading(reading, synchronized)
    return Pair(begin, end, tuple(dict.fromkeys(filter(None, reasons))))


def same_key(one: str, other: str) -> bool:
    """Whether two texts are the same public key, however written."""
    return _bytes(one)[-48:] == _bytes(other)[-48:] if one and other else False


def is_key(text: str) -> bool:
    """Whether a text can be a public key of a known curve: DER, or a bare point."""
    raw = _bytes(text)
    return (raw[:1] == b"\x30" and len(raw) > 60) or len(raw) in (48, 49, 64, 65, 96, 97)


def _of_pair(records: Sequence[Record], begin: Reading | None, end: Reading | None) -> Iterator[str]:
    if begin is None:
        yield "begin_missing"
    if end is None:
        yield "end_missing"
    if any(reading.kind == BROKEN for record in records for reading in record.readings):
        yield "reading_between"
    for name, code in (("MS", "meter_differs"), ("GS", "gateway_differs")):
        if len({record.told(name) for record in records}) > 1:
            yield code
    if len({record.identification for record in records}) > 1:
        yield "identification_differs"
    yield from _of_pages(records)
    if begin is not None and end is not None:
        if begin.obis != end.obis:
            yield "register_differs"
        if begin.kwh is not None and end.kwh is not None and end.kwh < begin.kwh:
            yield "register_fell"


def _of_pages(records: Sequence[Record]) -> Iterator[str]:
    """``PG`` rises by 1 within its context; transactions are paged with ``T`` (B-62)."""
    pages = [record.page for record in records]
    known = [page for page in pages if page is not None]
    if len(known) < len(pages) or any(context != "T" for context, _ in known):
        yield "pagination_missing"
    elif any(later[1] != earlier[1] + 1 for earlier, later in pairwise(known)):
        yield "pagination_jumps"


def _of_errors(records: Sequence[Record], time_billed: bool) -> Iterator[str]:
    """``EF`` names the quantities that cannot be billed from that reading on: ``E`` energy, ``t`` time.

    What it does not define is no flag of a quantity that we know not to bill, so it counts as one that we do.
    """
    flags = {flag for record in records for reading in record.readings for flag in reading.errors.strip()}
    if flags - {TIME_FAILED}:
        yield "error_flag"
    if time_billed and TIME_FAILED in flags:
        yield "time_error_flag"


def _of_reading(reading: Reading, synchronized: bool) -> Iterator[str]:
    if reading.value is None:
        yield "value_unreadable"
    elif reading.kwh is None:
        yield "unit_unknown"
    if reading.status != "G":
        yield "status_not_good"
    if synchronized and reading.clock not in SYNCHRONIZED:
        yield "clock_not_synchronized"


def _found(records: Sequence[Record], kind: str) -> Reading | None:
    return next((one for record in records for one in record.readings if one.kind == kind), None)


def _last(records: Sequence[Record]) -> Reading | None:
    ends = [one for record in records for one in record.readings if one.kind in ENDS]
    return ends[-1] if ends else None


def _algorithm(text: str) -> tuple[str, str]:
    kind, _, rest = text.partition("-")
    name, _, size = rest.partition("-")
    if (
        kind != "ECDSA"
        or name.lower() not in _CURVES.keys() | _SMALL.keys()
        or size not in ("SHA256", "SHA384")
    ):
        raise Unreadable("algorithm_unknown")
    return name.lower(), size


def _signature(record: Record) -> bytes:
    try:
        if record.encoding == "base64":
            found = base64.b64decode(record.signature, validate=True)
        else:
            found = bytes.fromhex(record.signature)
        decode_dss_signature(found)
    except (ValueError, binascii.Error):
        raise Unreadable("signature_encoding") from None
    return found


def _bytes(text: str) -> bytes:
    """Hex with blanks, or base64, or PEM; empty for what is none."""
    plain = "".join(line for line in text.splitlines() if not line.startswith("-----"))
    plain = "".join(plain.split()).replace(":", "")
    try:
        return bytes.fromhex(plain)
    except ValueError:
        pass
    try:
        return base64.b64decode(plain, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _key(text: str, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    raw = _bytes(text)
    try:
        if raw[:1] == b"\x30":
            key = serialization.load_der_public_key(raw)
        else:
            key = ec.EllipticCurvePublicKey.from_encoded_point(curve, _point(raw, curve.key_size // 8))
    except (ValueError, UnsupportedAlgorithm):
        raise Unreadable("key_unreadable") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != curve.name:
        raise Unreadable("key_unreadable")
    return key


def _point(raw: bytes, size: int) -> bytes:
    """Uncompressed with its leading 04, which some leave out."""
    return b"\x04" + raw if len(raw) == 2 * size else raw


def _check_small(curve: Curve, record: Record, signature: bytes, text: str) -> str:
    raw = _point(_bytes(text)[-(2 * curve.size + 1) :], curve.size)
    if len(raw) != 2 * curve.size + 1 or raw[0] != 4:
        return "key_unreadable"
    x, y = (int.from_bytes(part, "big") for part in (raw[1 : 1 + curve.size], raw[1 + curve.size :]))
    if not curve.has((x, y)):
        return "key_unreadable"
    r, s = decode_dss_signature(signature)
    right = curve.verify((x, y), r, s, hashlib.sha256(record.signed).digest())
    return "" if right else "signature_wrong"
