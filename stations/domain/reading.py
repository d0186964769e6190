"""Turns plain JSON into dataclasses, naming the place of whatever does not fit."""

from collections.abc import Hashable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from core.errors import Invalid
from stations.domain import timestamps

LARGEST = 2**31 - 1
LONGEST_TEXT = 2500
MOST_ITEMS = 1024

Thing = TypeVar("Thing")


def read(kind: type[Thing], content: Any, place: str) -> Thing:
    """The dataclass of that content. Raises :class:`Invalid` with the place as ``field``."""
    if not isinstance(content, Mapping):
        raise Invalid("An object is expected.", field=place)
    plain: Any = kind
    hints = _hints(plain)
    unknown = [name for name in content if name not in hints]
    if unknown:
        raise Invalid(f"There is no field “{str(unknown[0])[:60]}” here.", field=place)
    missing = [name for name in _required(plain) if content.get(name) is None]
    if missing:
        raise Invalid("This field is needed.", field=f"{place}/{missing[0]}")
    return kind(
        **{
            name: _value(hints[name], value, f"{place}/{name}")
            for name, value in content.items()
            if value is not None
        }
    )


@cache
def _hints(kind: Hashable) -> Mapping[str, Any]:
    return get_type_hints(kind)


@cache
def _required(kind: Hashable) -> tuple[str, ...]:
    plain: Any = kind
    return tuple(
        one.name for one in fields(plain) if one.default is MISSING and one.default_factory is MISSING
    )


def _value(kind: Any, value: Any, place: str) -> Any:
    if get_origin(kind) in (Union, UnionType):
        return _value(next(option for option in get_args(kind) if option is not NoneType), value, place)
    if get_origin(kind) is tuple:
        return _items(get_args(kind)[0], value, place)
    if hasattr(kind, "__dataclass_fields__"):
        return read(kind, value, place)
    if kind in PLAIN:
        return PLAIN[kind](value, place)
    if not isinstance(value, Mapping):
        raise Invalid("An object is expected.", field=place)
    return value


def _items(kind: Any, value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) or len(value) > MOST_ITEMS:
        raise Invalid(f"A list of at most {MOST_ITEMS} is expected.", field=place)
    return tuple(_value(kind, item, f"{place}/{number}") for number, item in enumerate(value))


def _whole(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Invalid("A whole number is expected.", field=place)
    if not -LARGEST <= value <= LARGEST or value != int(value):
        raise Invalid("A whole number within 32 bits is expected.", field=place)
    return int(value)


def _number(value: Any, place: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise Invalid("A number is expected.", field=place)
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise Invalid("A number is expected.", field=place) from error
    if not number.is_finite() or abs(number) > LARGEST:
        raise Invalid("A number within 32 bits is expected.", field=place)
    return number


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\x00" in value:
        raise Invalid("A text is expected.", field=place)
    return str(value)


def _truth(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise Invalid("true or false is expected.", field=place)
    return value


def _instant(value: Any, place: str) -> datetime:
    if isinstance(value, datetime):
        return value
    found = timestamps.instant(_text(value, place), field=place)
    if found is None:
        raise Invalid("A date with time is expected.", field=place)
    return found


PLAIN: Mapping[Any, Any] = {
    int: _whole,
    Decimal: _number,
    str: _text,
    bool: _truth,
    datetime: _instant,
}
