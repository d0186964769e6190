"""A client of the API with a key of Alice's organization."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from core.access import Actor, Role
from core.models import Organization
from tests import factories


def client_with(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture
def organization(db: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def alice(organization: Organization) -> Actor:
    return factories.make_actor(organization)


@pytest.fixture
def bob(organization: Organization) -> Actor:
    return factories.make_actor(organization, Role.TECHNICIAN, "bob")


@pytest.fixture
def charlie(db: None) -> Actor:
    return factories.make_actor(factories.make_organization(), name="charlie")


@pytest.fixture
def api(organization: Organization) -> APIClient:
    """With a key of all scopes."""
    return client_with(factories.make_key(organization))


@pytest.fixture
def stranger(charlie: Actor) -> APIClient:
    """With a key of all scopes of another organization."""
    return client_with(factories.make_key(Organization.objects.get(pk=charlie.organization_id)))


@pytest.fixture
def api_with(organization: Organization) -> Callable[..., APIClient]:
    """With a key of the named scopes."""

    def make(*scopes: str) -> APIClient:
        return client_with(factories.make_key(organization, *scopes))

    return make


def results(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.content
    return response.json()["results"]
