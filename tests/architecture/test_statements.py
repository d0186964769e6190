"""Each numbered statement about the chargers' door has a test of its name, or a reason why it has none yet."""

import csv
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"^\s*(?:async )?def test_p(\d{3}b?)_", re.MULTILINE)
VERSIONS = {"all", "1.6", "2.0.1", "2.1", "1.6 security"}


def rows(name: str) -> dict[str, str]:
    """Number to the second column."""
    with (TESTS / "wire" / name).open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    assert len({number for number, _ in lines}) == len(lines)
    return dict(lines)


@pytest.fixture(scope="module")
def tested() -> set[str]:
    """The numbers that occur in the name of a test."""
    texts = (path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    return {f"P{number}" for text in texts for number in NAMED.findall(text)}


def test_every_statement_has_a_test_or_a_reason(tested: set[str]) -> None:
    missing = set(rows("statements.csv")) - tested - set(rows("untested.csv"))

    assert sorted(missing) == [], "name a test after it, or say in tests/wire/untested.csv why there is none"


def test_no_statement_has_both_a_test_and_a_reason(tested: set[str]) -> None:
    both = set(rows("untested.csv")) & tested

    assert sorted(both) == [], "delete these lines of tests/wire/untested.csv"


def test_no_test_is_named_after_a_statement_that_does_not_exist(tested: set[str]) -> None:
    assert sorted(tested - set(rows("statements.csv"))) == []
    assert sorted(set(rows("untested.csv")) - set(rows("statements.csv"))) == []


def test_the_list_of_statements_is_whole() -> None:
    statements = rows("statements.csv")

    assert len(statements) == 181
    assert list(statements) == sorted(statements)
    assert {word for versions in statements.values() for word in versions.split(";")} == VERSIONS
    assert all(len(reason) > 10 for reason in rows("untested.csv").values())
