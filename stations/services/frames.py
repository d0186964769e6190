"""The raw frame log: rows ready for COPY (ocpp.md section 5). Texts come masked."""

import hashlib
from datetime import datetime

from django.conf import settings

COPY = (
    "COPY stations_rawframe (at, station_id, epoch, direction, type, message_id, action, size_bytes, verdict,"
    " latency_us, sha256, repairs, text) FROM STDIN"
)
NULL = "\\N"
MESSAGE_ID_MAX = 255
VERDICT_MAX = 60


def line(  # noqa: PLR0913  a row has as many columns
    at: datetime,
    station: str,
    direction: str,
    kind: int | None,
    message_id: object,
    action: str,
    size: int,
    verdict: str,
    text: str,
    *,
    latency_us: int | None = None,
    repairs: tuple[str, ...] = (),
) -> str:
    """One row of :data:`COPY`. ``station`` is its id and the epoch, separated by a tab.

    A text longer than ``OCPP_LOG_MAX_BYTES`` is cut; its SHA-256 stands for the rest.
    """
    digest = NULL
    if size > settings.OCPP_LOG_MAX_BYTES:
        text, digest = _cut(text)
    return (
        f"{at}\t{station}\t{direction}\t{NULL if kind is None else kind}\t{escaped(str(message_id))}\t"
        f"{escaped(action)}\t{size}\t{verdict[:VERDICT_MAX]}\t{NULL if latency_us is None else latency_us}\t"
        f"{digest}\t{array(repairs) if repairs else NULL}\t{escaped(text)}\n"
    )


def escaped(text: str) -> str:
    """A text as COPY reads it."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text or "\r" in text or "\t" in text:
        text = text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return text


def array(values: tuple[str, ...]) -> str:
    """A list of texts as COPY reads it."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return escaped("{" + ",".join(quoted) + "}")


def _cut(text: str) -> tuple[str, str]:
    raw = text.encode()
    head = raw[: settings.OCPP_LOG_MAX_BYTES].decode(errors="ignore")
    return head, "\\\\x" + hashlib.sha256(raw).hexdigest()
