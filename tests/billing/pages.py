"""An organization that can invoice, Alice in it with a browser, and others who look in."""

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import Membership, Organization, User
from stations.services import access, sites
from stations.services.access import actor_of_member
from tests import factories

__all__ = ["alice", "browser", "browser_of", "limited", "member", "organization", "viewer"]


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def member(organization: Organization) -> Membership:
    return factories.make_member(organization)


@pytest.fixture
def alice(member: Membership) -> Actor:
    return actor_of_member(member)


@pytest.fixture
def browser(member: Membership) -> Client:
    return browser_of(member.user)


@pytest.fixture
def limited(organization: Organization, alice: Actor) -> Client:
    """Dan, an administrator of a site where nothing stands."""
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)
    dan = factories.make_member(organization, Role.ADMIN, "dan")
    access.limit_member(dan, ["Elsewhere"], by=alice)
    return browser_of(dan.user)


@pytest.fixture
def viewer(organization: Organization) -> Client:
    """Vera, who may look at stations and sessions only."""
    return browser_of(factories.make_member(organization, Role.VIEWER, "vera").user)


def browser_of(user: User | None) -> Client:
    assert user is not None
    client = Client()
    client.force_login(user)
    return client
