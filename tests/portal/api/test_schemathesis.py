"""No request that the schema can think of breaks the API, and no answer is one that the schema does not know.

``SCHEMATHESIS_EXAMPLES`` says how many requests of each operation; the suite sends a few, a release 200.
``SCHEMATHESIS_ONLY`` narrows it to operations whose path it is found in.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db.transaction import atomic, set_rollback
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from core.access import Actor
from core.models import Organization
from tests import factories
from tests.factories import sessions

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "1"))
ONLY = os.environ.get("SCHEMATHESIS_ONLY", "")
IN_FULL = EXAMPLES >= 20
STEPS = 20 if IN_FULL else 6


def told(secret: str) -> SchemathesisConfig:
    """All checks; those that would only repeat what DRF does wait for a run in full."""
    phases = {"coverage": {"enabled": IN_FULL}, "examples": {"enabled": True}}
    return SchemathesisConfig.from_dict(
        {
            "headers": {"Authorization": f"Bearer {secret}"},
            "generation": {"max-examples": EXAMPLES, "deterministic": True, "with-security-parameters": False},
            "phases": phases,
        }
    )


@contextmanager
def undone() -> Iterator[None]:
    """What a request does is taken back, so that each meets the same organization."""
    with atomic():
        yield
        set_rollback(True)


@pytest.fixture
def api_schema(organization: Organization, alice: Actor) -> Any:
    secret = factories.make_key(organization)
    schema = schemathesis.openapi.from_wsgi(
        "/api/v1/schema/?format=json",
        get_wsgi_application(),
        config=told(secret),
        headers={"Authorization": f"Bearer {secret}"},
    )
    things = furnished(alice)

    @schema.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        """Half of the ids are those of things that are there."""
        found = things.get(context.operation.path.split("/")[3])
        if path_parameters and found and str(path_parameters.get("id", ""))[-1:] in "01234567":
            return {**path_parameters, "id": found}
        return path_parameters

    return schema


def furnished(alice: Actor) -> dict[str, str]:
    """An organization with a thing of most kinds; the id of one of each by its resource."""
    station, _ = factories.make_station(alice, name="North")
    session = sessions.begin(station)
    sessions.read(session, "1200")
    token, driver = factories.make_token(alice), factories.make_driver(alice)
    return {
        "sites": str(station.site_id),
        "stations": str(station.pk),
        "transactions": str(session.pk),
        "tokens": str(token.pk),
        "drivers": str(driver.pk),
    }


everything = schemathesis.pytest.from_fixture("api_schema")
everything = everything.include(path_regex=ONLY) if ONLY else everything


@pytest.mark.timeout(7200 if IN_FULL else 120)
@everything.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_no_request_breaks_the_api(case: Any) -> None:
    with undone():
        case.call_and_validate()


@pytest.mark.timeout(7200 if IN_FULL else 120)
def test_no_chain_of_requests_breaks_the_api(api_schema: Any) -> None:
    machine = api_schema.as_state_machine()
    machine.run(
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
    )
