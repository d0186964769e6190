"""JSON bodies by orjson: UTF-8, no NUL, no half characters, nested to a sane depth (security.md L-10)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 32


class JsonParser(BaseParser):
    """What cannot be stored or walked is refused here, before any field is looked at."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            data = orjson.loads(stream.read())
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from error
        _require_depth(data)
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
