"""A table of tokens and their drivers, as spreadsheets write it: read tolerantly, tried out, then taken or not.

Columns are found by their heads, in English or German, in any order; only the value is needed. Drivers that
are not known are made. Everything is written together or not at all.
"""

import csv
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.transaction import atomic, set_rollback

from core.access import Actor, Permission
from core.cells import bare, guarded
from core.errors import DomainError, Invalid
from core.models import Organization
from drivers.models import UNTYPED, Driver, TokenGroup, TokenImport, TokenType
from drivers.services import drivers
from drivers.services.importing import MOST_ROWS, Known, RowError, import_tokens

MOST_BYTES = 500_000
HEADS: Mapping[str, str] = {
    "value": "value", "token": "value", "uid": "value", "card": "value", "wert": "value", "karte": "value",
    "type": "type", "typ": "type", "label": "label", "bezeichnung": "label",
    "driver": "driver", "fahrer": "driver", "name": "driver",
    "reference": "reference", "nummer": "reference", "email": "email", "e-mail": "email",
    "group": "group", "gruppe": "group", "expires_at": "expires_at", "expires": "expires_at",
    "expiry": "expires_at", "ablauf": "expires_at", "gültig bis": "expires_at",
}  # fmt: skip
TYPES = {word.value.lower(): word.value for word in TokenType} | {"rfid": UNTYPED, "": UNTYPED}
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%S")
UNKNOWN_TYPE = "This is not a type of token."


@dataclass(slots=True)
class Trial:
    """What the table does, or would do; with findings nothing was written. Rows are counted from 0."""

    rows: int = 0
    created: list[str] = field(default_factory=list)
    updated: int = 0
    skipped: int = 0
    drivers: int = 0
    findings: list[RowError] = field(default_factory=list)
    batch: TokenImport | None = None


def text_of(content: bytes) -> str:
    """The text of a file, whatever spreadsheet wrote it. Raises :class:`Invalid` for what is too long."""
    if len(content) > MOST_BYTES:
        raise Invalid("The table is too long: at most 500 kB.", field="file")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def take(text: str, *, known: Known, by: Actor, trial: bool, without: Collection[int] = ()) -> Trial:
    """Write what the table says, or with ``trial`` only say what that would do; ``without`` are rows left out.

    Raises :class:`Invalid` for what is no table, and :class:`NotPermitted`.
    """
    by.require_everywhere(Permission.DRIVERS_MANAGE)
    lines = [(number, line) for number, line in enumerate(_lines(text)) if number not in without]
    with atomic():
        done = _taken(lines, known, by)
        if trial or done.findings:
            set_rollback(True)
    return done


def to_correct(text: str, findings: Sequence[RowError], problem: str, told: Callable[[str], str]) -> str:
    """A table of the wrong lines as they were, each with what is wrong in a column that an import does not look at.

    ``problem`` is the head of that column, ``told`` says a sentence in the reader's language.
    """
    head, *rest = _cells(text)
    into = io.StringIO()
    writer = csv.writer(into, delimiter=_delimiter(text), lineterminator="\r\n")
    writer.writerow([*head, problem])
    for number in sorted({one.row for one in findings}):
        why = " ".join(f"{one.field}: {told(one.message)}" for one in findings if one.row == number)
        cells = (rest[number] + [""] * len(head))[: len(head)]
        writer.writerow([guarded(cell) for cell in (*cells, why)])
    return into.getvalue()


def _taken(lines: Sequence[tuple[int, Mapping[str, str]]], known: Known, by: Actor) -> Trial:
    """All lines are looked at, so that everything that is wrong is told at once."""
    reader, done = _Reader(by), Trial(rows=len(lines))
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, line in lines:
        try:
            rows.append((number, reader.row(line)))
        except DomainError as error:
            done.findings.append(RowError(number, error.field or "value", error.message))
    outcome = import_tokens(
        [row for _, row in rows], known=known, by=by, dry_run=bool(done.findings), drivers=reader.made
    )
    later = (RowError(rows[one.row][0], one.field, one.message) for one in outcome.errors)
    done.findings = sorted((*done.findings, *later), key=lambda one: one.row)
    done.created, done.drivers = [token.value for token in outcome.created], len(reader.made)
    done.updated, done.skipped, done.batch = len(outcome.updated), outcome.skipped, outcome.batch
    return done


class _Reader:
    """Turns cells into what they name; each driver and group is looked for once."""

    def __init__(self, by: Actor) -> None:
        self.by = by
        self.made: list[Driver] = []
        self.zone = ZoneInfo(Organization.objects.get(pk=by.home).time_zone)
        self.groups = {group.name.lower(): group for group in TokenGroup.objects.live().visible_to(by)}
        self.known: dict[tuple[str, str], Driver] = {}

    def row(self, line: Mapping[str, str]) -> dict[str, Any]:
        row: dict[str, Any] = {"value": line.get("value", ""), "type": self._type(line.get("type", ""))}
        if not row["value"]:
            raise Invalid("The row has no value.", field="value")
        if label := line.get("label"):
            row["label"] = label[:100]
        if group := line.get("group"):
            row["group"] = self._group(group)
        if expiry := line.get("expires_at"):
            row["expires_at"] = self._instant(expiry)
        if line.get("driver") or line.get("reference"):
            row["driver"] = self._driver(line)
        return row

    def _type(self, word: str) -> str:
        if word.lower() not in TYPES:
            raise Invalid(UNKNOWN_TYPE, field="type")
        return TYPES[word.lower()]

    def _group(self, name: str) -> TokenGroup:
        if name.lower() not in self.groups:
            raise Invalid("There is no such group.", field="group")
        return self.groups[name.lower()]

    def _instant(self, text: str) -> datetime:
        """The last second of a day that is named without a time."""
        for form in DATES:
            try:
                read = datetime.strptime(text.removesuffix("Z"), form)  # noqa: DTZ007  the zone comes next
            except ValueError:
                continue
            if "%H" not in form:
                read = read.replace(hour=23, minute=59, second=59)
            return read.replace(tzinfo=UTC if text.endswith("Z") else self.zone)
        raise Invalid("Write a date as 2027-12-31 or 31.12.2027.", field="expires_at")

    def _driver(self, line: Mapping[str, str]) -> Driver:
        name, reference = line.get("driver", ""), line.get("reference", "")
        key = (name.lower(), reference.lower())
        if key not in self.known:
            self.known[key] = self._found(name, reference) or self._new(name, reference, line)
        return self.known[key]

    def _found(self, name: str, reference: str) -> Driver | None:
        rows = Driver.objects.live().visible_to(self.by)
        rows = rows.filter(reference__iexact=reference) if reference else rows.filter(name__iexact=name)
        some = list(rows[:2])
        if len(some) > 1:
            raise Invalid("Several drivers have this name. Name the reference as well.", field="driver")
        return some[0] if some else None

    def _new(self, name: str, reference: str, line: Mapping[str, str]) -> Driver:
        made = drivers.create(name=name, reference=reference, email=line.get("email", ""), by=self.by)
        self.made.append(made)
        return made


def _lines(text: str) -> list[dict[str, str]]:
    """The rows below the head, each cell under the name of its column."""
    if "\x00" in text:
        raise Invalid("This is no table of text.", field="file")
    head, *rest = _cells(text) or [[]]
    columns = [HEADS.get(cell.strip().lower(), "") for cell in head]
    if "value" not in columns:
        raise Invalid("The first line names the columns; one of them is “value”.", field="file")
    named = [name for name in columns if name]
    if len(set(named)) != len(named):
        raise Invalid("A column stands twice in the table.", field="file")
    if not 0 < len(rest) <= MOST_ROWS:
        raise Invalid(f"The table has 1 to {MOST_ROWS} rows below its head.", field="file")
    return [_named(columns, cells) for cells in rest]


def _cells(text: str) -> list[list[str]]:
    lines = io.StringIO(text.lstrip(), newline="")
    try:
        rows = list(csv.reader(lines, delimiter=_delimiter(text), strict=True))
    except csv.Error as error:
        raise Invalid("The table cannot be read: a quotation mark is open, or a cell too long.") from error
    return [row for row in rows if any(cell.strip() for cell in row)]


def _delimiter(text: str) -> str:
    return max(";,\t", key=text.lstrip().split("\n", 1)[0].count)


def _named(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    pairs = zip(columns, cells, strict=False)
    return {name: bare(cell.strip()) for name, cell in pairs if name and cell.strip()}
