"""Browsers without a screen: Alice (admin), Bob (technician), Vera (viewer), Charlie of another organization."""

from collections.abc import Callable

import pytest
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.test import Client
from django.utils import translation

from core import clock
from core.access import Actor, Role
from core.models import Membership, Organization
from drivers.models import IdToken
from stations.models import ChargingStation, Evse
from stations.services import access, stations
from tests import factories


def proven(client: Client) -> Client:
    """Whoever it is has given the password a moment ago."""
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": clock.now().timestamp()}]
    session.save()
    return client


@pytest.fixture(autouse=True)
def english() -> None:
    """Each test begins in English, whatever language a page before it was asked for in."""
    translation.activate("en")


@pytest.fixture
def organization(db: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def alice(organization: Organization) -> Membership:
    return factories.make_member(organization)


@pytest.fixture
def actor(alice: Membership) -> Actor:
    return access.actor_of_member(alice)


@pytest.fixture
def browser_of() -> Callable[[Membership], Client]:
    def make(member: Membership) -> Client:
        client = Client()
        client.force_login(member.user)
        return client

    return make


@pytest.fixture
def browser(alice: Membership, browser_of: Callable[[Membership], Client]) -> Client:
    return browser_of(alice)


@pytest.fixture
def viewer(organization: Organization, browser_of: Callable[[Membership], Client]) -> Client:
    return browser_of(factories.make_member(organization, Role.VIEWER, "vera"))


@pytest.fixture
def charlie(db: None, browser_of: Callable[[Membership], Client]) -> Client:
    return browser_of(factories.make_member(factories.make_organization(demo=True), name="charlie"))


@pytest.fixture
def station(actor: Actor) -> ChargingStation:
    made, _ = factories.make_station(actor, name="Yard 1")
    stations.add_evse(made, 1)
    stations.add_evse(made, 2)
    return made


@pytest.fixture
def evse(station: ChargingStation) -> Evse:
    return station.evses.get(evse_id=1)


@pytest.fixture
def token(actor: Actor) -> IdToken:
    return factories.make_token(actor, label="Pool car")


@pytest.fixture
def home(organization: Organization) -> str:
    return f"/o/{organization.slug}/"
