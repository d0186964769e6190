"""What a tariff means: the price text in each language, the linter's findings, and a week of its prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import translation

from core import clock
from tariffs import documents, linter, parsing, text
from tariffs.linter import NOWHERE, Context, Finding, Level
from tariffs.local_time import find_zone
from tariffs.pointers import InvalidDocument
from tariffs.structure import Tariff
from tariffs.week import Band, bands_of

MOST_ELEMENTS = 100
"""A tariff of more elements is told and checked, but neither drawn nor tried: that takes too long while one types."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What drivers will read in each language, what the linter finds, and the object itself.

    ``tariff`` is ``None`` where it cannot be read as one, or is too large to be tried.
    """

    texts: Sequence[tuple[str, str]]
    findings: Sequence[Finding]
    document: str
    tariff: Tariff | None = None
    week: Sequence[Band] = ()
    currency: str = ""

    @property
    def errors(self) -> list[Finding]:
        return [one for one in self.findings if one.level is Level.ERROR]

    @property
    def warnings(self) -> list[Finding]:
        return [one for one in self.findings if one.level is Level.WARNING]

    @property
    def varies(self) -> bool:
        """Whether the hour or the day matters at all."""
        return len({prices for band in self.week for prices in band.prices}) > 1


def preview(content: Mapping[str, Any], zone: str, context: Context = NOWHERE) -> Preview:
    """All about an object, whether or not it is a tariff already."""
    whole = {
        "country_code": "ZZ",
        "party_id": "XXX",
        "id": "NEW",
        "last_updated": clock.to_wire(clock.now()),
        **content,
    }
    texts, findings = tuple(texts_of(whole, zone)), linter.lint(whole, context)
    if not texts:
        return Preview(texts, findings, pretty(content))
    tariff = parsing.parse_tariff(whole)
    if len(tariff.elements) > MOST_ELEMENTS:
        return Preview(texts, findings, pretty(content), currency=tariff.currency)
    return Preview(texts, findings, pretty(content), tariff, _week(tariff, zone), tariff.currency)


def texts_of(content: Mapping[str, Any], zone: str) -> list[tuple[str, str]]:
    """The price text in each language, by the language's own name; none for what cannot be read."""
    try:
        tariff = parsing.parse_tariff(content)
    except InvalidDocument:
        return []
    told = []
    for code, name in settings.LANGUAGES:
        with translation.override(code):
            words = text.describe(tariff, zone=find_zone(zone), at=clock.now())
            told.append((str(name), " ".join(words)))
    return told


def pretty(content: Mapping[str, Any]) -> str:
    """JSON with indents, every digit kept."""
    return _indented(dict(content), 0)


def _week(tariff: Tariff, zone: str) -> Sequence[Band]:
    """The grid of a week that is to come."""
    there = find_zone(zone)
    today = clock.now().astimezone(there).date()
    return bands_of(tariff, there, today + timedelta(days=-today.weekday() % 7))


def _indented(value: Any, depth: int) -> str:
    inside, outside = "  " * (depth + 1), "  " * depth
    if isinstance(value, Mapping) and value:
        rows = [
            f"{inside}{documents.dumps_any(name)}: {_indented(one, depth + 1)}" for name, one in value.items()
        ]
        return "{\n" + ",\n".join(rows) + f"\n{outside}}}"
    if isinstance(value, list) and value and any(isinstance(one, Mapping | list) for one in value):
        rows = [f"{inside}{_indented(one, depth + 1)}" for one in value]
        return "[\n" + ",\n".join(rows) + f"\n{outside}]"
    return documents.dumps_any(value)
