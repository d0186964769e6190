"""One portal behind each kind of edge."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.access import Actor
from tests.deploy import edges
from tests.deploy.edges import Edge
from tests.deploy.papers import Papers
from tests.factories import make_actor, make_organization
from tests.running import Server, start_server
from tests.stations.ocpp.knocking import next_address

SECRET = "only-the-edge-knows-this-one"
TOKEN = "a-token-for-the-figures"


@pytest.fixture(scope="session")
def portal(django_db_setup: None) -> Iterator[Server]:
    """A portal that is reached by https through an edge."""
    with start_server(
        OCPP_TRUSTED_PROXY_SECRET=SECRET, PUBLIC_URL="https://localhost", METRICS_TOKEN=TOKEN
    ) as server:
        yield server


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    made = Papers(tmp_path_factory.mktemp("papers"))
    made.write()
    return made


@pytest.fixture(scope="session", params=["nginx", "haproxy"])
def edge(
    request: pytest.FixtureRequest,
    portal: Server,
    papers: Papers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Edge]:
    """nginx, then HAProxy, with the shipped configuration; half of what is behind it does not serve."""
    start = {"nginx": edges.nginx, "haproxy": edges.haproxy}[request.param]
    directory: Path = tmp_path_factory.mktemp(request.param)
    with (
        edges.draining_gateway() as draining,
        start(papers.directory, directory, backend=portal.port, draining=draining, secret=SECRET) as running,
    ):
        yield running


@pytest.fixture
def address() -> str:
    return next_address()


@pytest.fixture
def alice(committed: None) -> Actor:
    """The admin of an organization of this test's own."""
    return make_actor(make_organization())
