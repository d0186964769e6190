"""Small readings of 2.x fields that several messages share; what no column can hold is refused."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from core.errors import Invalid
from stations.domain.events import TokenShown
from stations.ocpp.context import Json

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
REFERENCE_MAX = 64
DEBUG = 9


def whole(value: Any, field: str, *, largest: int = INT32_MAX) -> int:
    """A count or number from 0 up. Raises :class:`Invalid` naming the field."""
    if isinstance(value, bool) or value != int(value) or not 0 <= value <= largest:
        raise Invalid(f"{field} is out of range.", field=field)
    return int(value)


def whole_or_none(parent: Json, name: str, *, field: str = "") -> int | None:
    """The same for an optional field."""
    value = parent.get(name)
    return None if value is None else whole(value, field or name)


def place(parent: Json, field: str = "evse") -> tuple[int | None, int | None]:
    """EVSE and connector of an EVSEType; neither where it is left out (P158)."""
    evse = parent.get("evse")
    if not isinstance(evse, Mapping) or "id" not in evse:
        return None, None
    return whole(evse["id"], f"{field}.id"), whole_or_none(evse, "connectorId", field=f"{field}.connectorId")


def request_id(payload: Json) -> int | None:
    """The number of our request; what cannot be one of ours counts as absent (P231)."""
    value = payload.get("requestId")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= INT32_MAX:
        return None
    return int(value)


def token(parent: Json) -> TokenShown | None:
    """The idToken, if one was shown."""
    shown = parent.get("idToken")
    if not isinstance(shown, Mapping):
        return None
    return TokenShown(value=str(shown.get("idToken") or "")[:255], type=str(shown.get("type") or "")[:20])


def reference(text: str) -> str:
    """The station's name for a transaction; one that is too long keeps its beginning and a digest (P082)."""
    if len(text) <= REFERENCE_MAX:
        return text
    return f"{text[:31]}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def reason(parent: Json) -> str:
    """The StatusInfoType of 2.1 as one text; empty where there is none."""
    info = parent.get("statusInfo")
    if not isinstance(info, Mapping):
        return ""
    return " ".join(filter(None, (text(info, "reasonCode", 20), text(info, "additionalInfo", 450))))


def text(parent: Json, name: str, limit: int = 255) -> str:
    """An optional text; empty equals absent (P087)."""
    return str(parent.get(name) or "")[:limit]


def status_and_reason(parent: Json, status: str, info: str = "statusInfo") -> str:
    """A status with what the station adds to it, for people."""
    more = parent.get(info)
    told = [more.get("reasonCode"), more.get("additionalInfo")] if isinstance(more, Mapping) else []
    return " · ".join(str(text) for text in (parent.get(status), *told) if text)


def decimal(value: Any) -> Decimal | None:
    """A number that a column can hold; ``None`` for anything else, since it only describes."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number.adjusted() < 18 else None


def plain(value: Any) -> Any:
    """Content that is kept as JSON: numbers whose digits the door had kept become numbers again."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def severity(value: Any) -> int | None:
    """From 0 (danger) to 9 (debug); what is no such number counts as not told."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= DEBUG:
        return None
    return int(value)
