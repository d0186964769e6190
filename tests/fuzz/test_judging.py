"""The judge of mutated frames sees what it is there to see."""

import json
from typing import Any

import pytest

from stations.domain.words import Version
from tests.fuzz.judging import complaints

CALL = json.dumps([2, "a", "Heartbeat", {}])
RIGHT = [3, "a", {}]
ERROR = [4, "a", "NotSupported", "It is not offered here.", {}]


def about(version: Version, texts: list[str], said: list[Any]) -> str:
    return "\n".join(complaints(version, texts, said))


@pytest.mark.parametrize("version", Version)
def test_right_answers_are_no_cause_for_complaint(version: Version) -> None:
    assert about(version, [CALL, CALL], [RIGHT, ERROR]) == ""
    assert about(version, ["[3,1,{}]"], []) == ""


@pytest.mark.parametrize(
    ("texts", "said", "complaint"),
    [
        ([CALL], [], "missing"),
        ([CALL, CALL], [RIGHT], "missing"),
        ([CALL], [RIGHT, RIGHT], "at most 0"),
        ([CALL], [[4, "a", "InternalError", "Try again later.", {}]], "InternalError"),
        ([CALL], [[4, "a", "GenericError", "No.", {}]], "GenericError"),
        ([CALL], [[4, "a", "NotSupported", "No.", {"it": "was"}]], "details"),
        ([CALL], [[4, "a", "NotSupported", "x" * 256, {}]], "256 characters"),
        ([CALL], [[4, "a", "NotSupported", "", {}]], "0 characters"),
        ([CALL], [[3, "a", None]], "not a CALLRESULT"),
        (['[3,"b",{}]'], [[5, "b", "FormatViolation", "No.", {}]], "not an answer"),
    ],
)
@pytest.mark.parametrize("version", Version)
def test_what_may_not_be_said_is(version: Version, texts: list[str], said: list[Any], complaint: str) -> None:
    assert complaint in about(version, texts, said)


def test_what_is_unreadable_has_an_answer_on_2x_only() -> None:
    said = [[4, "-1", "RpcFrameworkError", "The text is not JSON.", {}]]

    assert about(Version.V201, ["x"], said) == ""
    assert "unreadable" in about(Version.V16, ["x"], said)
