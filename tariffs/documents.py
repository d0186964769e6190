"""Tariffs as JSON texts: every figure keeps the digits with which it came (tariffs section 2)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from core.errors import Invalid
from tariffs import pointers

LONGEST = 256 * 1024


def dumps(document: Mapping[str, Any]) -> str:
    """The object as a text. Raises :class:`Invalid` for what no JSON text can hold, and for one that is too long."""
    try:
        text = orjson.dumps(dict(document), default=_figure).decode()
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise Invalid(f"The tariff cannot be written as JSON: {error}.", field="tariff") from error
    if len(text) > LONGEST:
        raise Invalid(f"A tariff has at most {LONGEST >> 10} KiB.", field="tariff")
    return text


def dumps_any(value: Any) -> str:
    """Any value of such an object as JSON."""
    return orjson.dumps(value, default=_figure).decode()


def loads(text: str | bytes) -> dict[str, Any]:
    """The object of a text, figures as decimals. Raises :class:`tariffs.pointers.InvalidDocument`."""
    found = pointers.loads(text)
    if not isinstance(found, dict):
        raise pointers.InvalidDocument([pointers.Problem("", "An object is expected here.")])
    return found


def _figure(value: object) -> object:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} is no value of JSON")
