"""JSON bodies by orjson: UTF-8, no NUL, no half characters, nested to a sane depth (security.md L-10)."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser

from core.cells import bare

MAX_DEPTH = 32


class JsonParser(BaseParser):
    """What cannot be stored or walked is refused here, before any field is looked at."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        text = stream.read()
        try:
            data = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from error
        _require_depth(data)
        _require_names_once(text)
        for pointer in _unstorable(data, ""):
            raise ValidationError({pointer: "The character NUL cannot be stored."})
        return data


def _require_depth(data: Any) -> None:
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.")


class CsvParser(BaseParser):
    """A table with a head, as lists give it: a list of rows without their empty cells."""

    media_type = "text/csv"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            text = stream.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ParseError("The table is not UTF-8.") from error
        if "\x00" in text:
            raise ParseError("The character NUL cannot be stored.")
        try:
            head, *lines = list(csv.reader(io.StringIO(text, newline=""), strict=True)) or [[]]
        except csv.Error as error:
            raise ParseError(f"The body is not CSV: {error}.") from error
        if not head or len(set(head)) != len(head):
            raise ParseError("The first line names the columns, each once.")
        return [_row(head, cells, number) for number, cells in enumerate(lines, start=2) if cells]


def _row(head: list[str], cells: list[str], number: int) -> dict[str, str]:
    if len(cells) != len(head):
        raise ParseError(f"Line {number} has {len(cells)} cells instead of {len(head)}.")
    return {name: bare(cell) for name, cell in zip(head, cells, strict=True) if cell}


class _Pairs(dict[str, Any]):
    """A JSON object that remembers a name that stood twice in it."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]


def _require_names_once(text: bytes) -> None:
    """Which of two values was meant cannot be known. Numbers are not looked at: they were read before."""
    nothing = {"parse_int": len, "parse_float": len, "parse_constant": len}
    for pointer in _repeated(json.loads(text, object_pairs_hook=_Pairs, **nothing), ""):
        raise ValidationError({pointer: "This name stands twice in the same object."})


def _repeated(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        yield from (f"{pointer}/{name}" if pointer else name for name in value.twice)
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in pairs:
            yield from _repeated(inner, f"{pointer}/{name}" if pointer else str(name))


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _unstorable(value: Any, pointer: str) -> Iterator[str]:
    """Where a text or name holds NUL, which PostgreSQL cannot store."""
    if isinstance(value, str) and "\x00" in value:
        yield pointer
    if isinstance(value, Mapping | list):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, inner in pairs:
            yield from _unstorable(str(name), pointer)
            yield from _unstorable(inner, f"{pointer}/{name}" if pointer else str(name))
