"""A meter that signs OCMF as real ones do."""

import hashlib
import json
import secrets
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from billing.ocmf.curves import Curve


class Meter:
    """Signs with a key of its own; ``public_key`` is hex of DER as printed on the housing."""

    def __init__(self, curve: ec.EllipticCurve | None = None, serial: str = "M-1") -> None:
        self.key = ec.generate_private_key(curve or ec.SECP256R1())
        self.serial, self.page = serial, 0

    @property
    def public_key(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.DER, form).hex()

    def record(self, *readings: dict[str, Any], algorithm: str = "", **fields: Any) -> str:
        """One record; every reading has the fields of a good one where it does not say otherwise."""
        self.page += 1
        told = {
            "FV": "1.0",
            "GS": "G-1",
            "MS": self.serial,
            "PG": f"T{self.page}",
            "IT": "ISO14443",
            "ID": "04A1",
        }
        payload = json.dumps({**told, **fields, "RD": list(readings)}, separators=(",", ":"))
        signature = self.key.sign(payload.encode(), ec.ECDSA(hashes.SHA256())).hex()
        sign = {**({"SA": algorithm} if algorithm else {}), "SD": signature}
        return f"OCMF|{payload}|{json.dumps(sign)}"


def reading(kind: str, value: Any, **fields: Any) -> dict[str, Any]:
    good = {
        "TM": "2026-03-31T10:00:00,000+0200 S",
        "RI": "01-00:B2.08.00*FF",
        "RU": "kWh",
        "EF": "",
        "ST": "G",
    }
    return {**good, "TX": kind, "RV": value, **fields}


def sign_small(curve: Curve, data: bytes) -> tuple[str, str]:
    """A public point and a DER signature over a curve that the cryptography library lacks, both hex."""
    secret, nonce = (secrets.randbelow(curve.n - 1) + 1 for _ in range(2))
    public, point = curve.times(secret, curve.g), curve.times(nonce, curve.g)
    assert public is not None
    assert point is not None
    digest = hashlib.sha256(data).digest()
    number = int.from_bytes(digest, "big") >> (256 - curve.n.bit_length())
    r = point[0] % curve.n
    s = pow(nonce, -1, curve.n) * (number + r * secret) % curve.n
    x, y = (part.to_bytes(curve.size, "big").hex() for part in public)
    return f"04{x}{y}", encode_dss_signature(r, s).hex()
