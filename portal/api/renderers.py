"""JSON by orjson; CSV of any list with cells that a spreadsheet cannot take for formulas (W-23)."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson
from rest_framework.renderers import BaseRenderer

from core import cells


def _default(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(_plain(value))
    return str(value)


def _plain(value: Decimal) -> str:
    """All digits, no exponent, no trailing zeros: a JSON number as exact as the column."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        return orjson.dumps(data, default=_default, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


class EventStreamRenderer(JsonRenderer):
    """Errors come as JSON; the stream itself is written by the view."""

    media_type = "text/event-stream"
    format = "sse"


class CsvRenderer(BaseRenderer):
    """Errors and single objects come as JSON all the same; lists are streamed by the view."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return orjson.dumps(data, default=_default)


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The head and the rows as CSV text, piece by piece."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=columns, extrasaction="ignore")
    writer.writeheader()
    yield buffer.getvalue()
    for row in rows:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow({key: _cell(value) for key, value in row.items()})
        yield buffer.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return _plain(value) if isinstance(value, Decimal) else str(value)
    text = value if isinstance(value, str) else orjson.dumps(value, default=_default).decode()
    return cells.guarded(text)
