"""Reading foreign JSON: every value is checked, every fault named by its JSON pointer (RFC 6901)."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar

from core.errors import Invalid

Json = Mapping[str, Any]
T = TypeVar("T")

MAX_LIST = 10_000
MAX_INTEGER_DIGITS = 12
MAX_DECIMALS = 20
MAX_TEXT = 2000
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where, and one sentence about cause and next step."""

    pointer: str
    message: str


class InvalidDocument(Invalid):
    """The document cannot be used; all its faults at once, each with its pointer."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        more = len(self.problems) - 1
        message = f"{first.pointer or '/'}: {first.message}" + (f" ({more} more)" if more else "")
        super().__init__(message, field=first.pointer)


def loads(text: str | bytes) -> Any:
    """JSON with numbers as decimals of their very text, never floats. Raises :class:`InvalidDocument`."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument([Problem("", f"This is not JSON: {error}.")]) from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


@dataclass
class Reader:
    """Collects the problems of a document while it is read."""

    problems: list[Problem] = field(default_factory=list)

    def fault(self, pointer: str, message: str) -> None:
        self.problems.append(Problem(pointer, message))

    def finish(self) -> None:
        """Raise what was found."""
        if self.problems:
            raise InvalidDocument(self.problems)

    def mapping(self, value: Any, pointer: str) -> Json:
        if isinstance(value, Mapping):
            return value
        self.fault(pointer, "An object is expected here.")
        return {}

    def items(self, value: Any, pointer: str, *, least: int = 0) -> Iterator[tuple[Any, str]]:
        """The entries of a list with their pointers; an absent list has none."""
        if value is None and not least:
            return
        if not isinstance(value, list | tuple) or not least <= len(value) <= MAX_LIST:
            wanted = f"A list of {least} to {MAX_LIST:,} entries" if least else "A list"
            self.fault(pointer, f"{wanted} is expected here.")
            return
        for number, entry in enumerate(value):
            yield entry, f"{pointer}/{number}"

    def get(self, owner: Json, name: str, pointer: str, read: Callable[[Any], T]) -> T | None:
        """An optional field; ``read`` raises ``ValueError`` with a sentence for what it cannot take."""
        value = owner.get(name)
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as error:
            self.fault(f"{pointer}/{escaped(name)}", str(error))
            return None

    def need(self, owner: Json, name: str, pointer: str, read: Callable[[Any], T]) -> T | None:
        """A field that must be there; ``None`` only after a fault was noted."""
        if owner.get(name) is None:
            self.fault(f"{pointer}/{escaped(name)}", "This field is required.")
        return self.get(owner, name, pointer, read)


def escaped(name: str) -> str:
    """A name as part of a pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def number(value: Any) -> Decimal:
    """A JSON number. A float is read as the shortest text that means it, as JSON would have written it."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("A number is expected here.")
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite() or (exact and exact.adjusted() >= MAX_INTEGER_DIGITS):
        raise ValueError(
            f"A number of at most {MAX_INTEGER_DIGITS} digits before the point is expected here."
        )
    exponent = exact.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
        raise ValueError(f"A number of at most {MAX_DECIMALS} decimals is expected here.")
    return exact


def percent(value: Any) -> Decimal:
    exact = number(value)
    if not 0 <= exact <= 100:
        raise ValueError("A percentage from 0 to 100 is expected here, such as 19.")
    return exact


def not_negative(value: Any) -> Decimal:
    exact = number(value)
    if exact < 0:
        raise ValueError("A number that is not negative is expected here.")
    return exact


def whole(value: Any) -> int:
    """A whole number that is not negative."""
    exact = number(value)
    if exact < 0 or exact != exact.to_integral_value():
        raise ValueError("A whole number that is not negative is expected here.")
    return int(exact)


def text(most: int, least: int = 0) -> Callable[[Any], str]:
    """A text of so many characters."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not least <= len(value) <= most or "\x00" in value:
            length = str(most) if least == most else f"{least} to {most}"
            raise ValueError(f"A text of {length} characters is expected here.")
        return value

    return read


def one_of(kind: type[T]) -> Callable[[Any], T]:
    """A word of an enumeration; others are a fault (T-04)."""

    def read(value: Any) -> T:
        try:
            return kind(value)  # type: ignore[call-arg]
        except ValueError as error:
            known = ", ".join(str(one) for one in kind)  # type: ignore[attr-defined]
            raise ValueError(f"“{str(value)[:40]}” is not known here; one of {known} is.") from error

    return read


def instant(value: Any) -> datetime:
    """A time of OCPI: UTC, with or without ``Z``."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("A time such as 2026-03-01T10:00:00Z is expected here.")
    try:
        at = datetime.fromisoformat(value.upper())
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("There is no such time; check month, day and hour.") from error
    return _in_our_years(at)


def local_date(value: Any) -> date:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("A date such as 2026-03-01 is expected here.")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("There is no such day; check month and day.") from error


def local_time(value: Any) -> time:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("A time of day such as 06:30 is expected here, from 00:00 to 23:59.")
    return time.fromisoformat(value)


def _in_our_years(at: datetime) -> datetime:
    if not 2000 <= at.year < 3000:
        raise ValueError("A time in the years 2000 to 2999 is expected here.")
    return at
