"""No request that the schema can think of breaks the API, and no answer is one that the schema does not know.

``SCHEMATHESIS_EXAMPLES`` says how many requests of each operation; the suite sends a few, ``make schemathesis`` 200.
``SCHEMATHESIS_ONLY`` narrows it to operations whose path it is found in.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.db.transaction import atomic, set_rollback
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from core.models import Organization
from stations.services import access
from tests import factories
from tests.portal.walking import furnish

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "1"))
ONLY = os.environ.get("SCHEMATHESIS_ONLY", "")
IN_FULL = EXAMPLES >= 20
STEPS = 20 if IN_FULL else 6
TIMEOUT_S = 7200 if IN_FULL else 180
REFUSED = [
    400,
    401,
    403,
    404,
    405,
    406,
    409,
    413,
    415,
    429,
]  # a text beyond its length may be beyond a body's
# Ids that name nothing and rules between two fields are refused with 400, and no schema can say them.
ALSO_REFUSED = [200, 201, 202, 204, 304, 400, 401, 403, 404, 406, 409, 410, 412, 413, 415, 503]


def told() -> SchemathesisConfig:
    """All checks, with everything that may be sent and what may not."""
    return SchemathesisConfig.from_dict(
        {
            "generation": {"with-security-parameters": False},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ALSO_REFUSED},
                "negative_data_rejection": {"expected-statuses": REFUSED},
            },
        }
    )


def patiently(**more: Any) -> settings:
    """The same requests each time; a failure is told as it was found, not made smaller first."""
    return settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
        **more,
    )


@contextmanager
def undone() -> Iterator[None]:
    """What a request does is taken back, so that each meets the same organization."""
    with atomic():
        yield
        set_rollback(True)


@pytest.fixture
def one_connection() -> Iterator[None]:
    """The test's own transaction goes on across requests, as with Django's test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def way_in(organization: Organization) -> dict[str, str]:
    return {"Authorization": f"Bearer {factories.make_key(organization)}"}


@pytest.fixture
def api_schema(way_in: dict[str, str], organization: Organization, one_connection: None) -> Any:
    schema = schemathesis.openapi.from_wsgi(
        "/api/v1/schema/?format=json", get_wsgi_application(), config=told(), headers=way_in
    )
    alice = factories.make_member(organization)
    things = furnish(organization, alice, access.actor_of_member(alice))

    @schema.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        """Most ids are those of things that are there."""
        found = things.get(context.operation.path.split("/")[3])
        if path_parameters and found and str(path_parameters.get("id", ""))[-1:] in "0123456789ab":
            return {**path_parameters, "id": str(found)}
        return path_parameters

    return schema


class Findings:
    """What was asked, how it was answered, and what was found, each kind of finding once an operation."""

    def __init__(self, way_in: dict[str, str]) -> None:
        self.way_in = way_in
        self.operations = 0
        self.answers: Counter[int] = Counter()
        self.told: list[str] = []
        self.last = ""

    def ask(self, operation: Any, mode: GenerationMode) -> None:
        @patiently()
        @given(case=operation.as_strategy(generation_mode=mode))
        def sent(case: Any) -> None:
            self.last = case.as_curl_command(headers={})
            with undone():
                response = case.call(headers=self.way_in)
                self.answers[response.status_code] += 1
                case.validate_response(response, headers=self.way_in)

        self._noted(operation.label, sent)

    def _noted(self, label: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Unsatisfiable:
            return  # nothing that is wrong can be said to this operation
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  told at the end, with those of the other operations
            self.told.append(f"{label}: {_words(error)}\n{self.last[:800]}")

    def __str__(self) -> str:
        answers = ", ".join(f"{status}: {count}" for status, count in sorted(self.answers.items()))
        asked = f"{self.operations} operations, {self.answers.total()} requests ({answers})"
        return "\n\n".join([*self.told, f"{asked}, {len(self.told)} findings"])


def _words(error: BaseException) -> str:
    inner = getattr(error, "exceptions", ())
    return "\n".join(map(_words, inner)) if inner else f"{type(error).__name__}: {error}"


@pytest.mark.timeout(TIMEOUT_S)
def test_no_request_breaks_the_api(api_schema: Any, way_in: dict[str, str]) -> None:
    found = Findings(way_in)
    for result in api_schema.get_all_operations():
        operation = result.ok()
        if ONLY in operation.path:
            found.operations += 1
            found.ask(operation, GenerationMode.POSITIVE)
            found.ask(operation, GenerationMode.NEGATIVE)

    sys.stdout.write(f"\n{found}\n")
    assert not found.told, str(found)


@pytest.mark.timeout(TIMEOUT_S)
def test_no_chain_of_requests_breaks_the_api(api_schema: Any, way_in: dict[str, str]) -> None:
    found = Findings(way_in)
    linked: set[str] = set()

    class Chain(api_schema.as_state_machine()):  # type: ignore[misc]  # a class that schemathesis makes
        def setup(self) -> None:
            """Each chain begins with the same rows, as the same requests are to have the same answers."""
            self.around = undone()
            self.around.__enter__()

        def teardown(self) -> None:
            self.around.__exit__(None, None, None)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": way_in}

        def validate_response(self, response: Any, case: Any, *checks: Any, **sent: Any) -> None:
            found.answers[response.status_code] += 1
            linked.add(case.operation.label)
            case.validate_response(response, headers=way_in, transport_kwargs=sent)

    Chain.run(settings=patiently(stateful_step_count=STEPS))
    found.operations = len(linked)
    sys.stdout.write(f"\n{found}\n")
    assert found.answers.total() >= EXAMPLES
