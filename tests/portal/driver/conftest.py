"""Phones without a screen: Dora (a driver), Charlie (a driver of another operator), nobody."""

from collections.abc import Callable

import pytest
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.core.cache import cache
from django.test import Client
from django.utils import translation

from core import clock
from core.access import Actor
from core.models import Organization, User
from drivers.models import Driver, IdToken
from drivers.services import drivers
from stations.models import ChargingStation, Evse, Presence
from stations.services import stations
from tests import factories

CARD = "04A2B6C8DA"


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Each test begins in English and with nothing counted."""
    translation.activate("en")
    cache.clear()


@pytest.fixture
def organization(db: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def actor(organization: Organization) -> Actor:
    return factories.make_actor(organization)


def make_driver_with_account(by: Actor, name: str) -> Driver:
    user = User.objects.create_user(f"{factories.unique(name)}@example.org", "x" * 12)
    return drivers.give_account(factories.make_driver(by, name), user, by=by)


@pytest.fixture
def dora(actor: Actor) -> Driver:
    return make_driver_with_account(actor, "dora")


@pytest.fixture
def card(actor: Actor, dora: Driver) -> IdToken:
    return factories.make_token(actor, CARD, driver=dora, label="Blue card")


@pytest.fixture
def phone_of() -> Callable[[Driver], Client]:
    def make(driver: Driver) -> Client:
        client = Client()
        client.force_login(driver.user)
        return client

    return make


@pytest.fixture
def phone(dora: Driver, phone_of: Callable[[Driver], Client]) -> Client:
    return phone_of(dora)


@pytest.fixture
def charlie(phone_of: Callable[[Driver], Client]) -> Client:
    other = factories.make_actor(factories.make_organization(demo=True))
    return phone_of(make_driver_with_account(other, "charlie"))


@pytest.fixture
def colleague(actor: Actor, phone_of: Callable[[Driver], Client]) -> Client:
    """Another driver of the same operator."""
    return phone_of(make_driver_with_account(actor, "bob"))


@pytest.fixture
def station(actor: Actor) -> ChargingStation:
    made, _ = factories.make_station(actor, name="Yard 1", identity=factories.unique("SECRET-ID"))
    stations.add_evse(made, 1)
    return made


@pytest.fixture
def evse(station: ChargingStation) -> Evse:
    return station.evses.get(evse_id=1)


@pytest.fixture
def connected(station: ChargingStation, evse: Evse) -> ChargingStation:
    """The station on the line, its connector free."""
    Presence.objects.filter(station=station).update(connected=True, gateway="test", ocpp_version="2.0.1")
    evse.connectors.update(status="Available")
    return ChargingStation.objects.get(pk=station.pk)


def proven(client: Client) -> Client:
    """Whoever it is has given the password a moment ago."""
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": clock.now().timestamp()}]
    session.save()
    return client


def text_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())  # type: ignore[attr-defined]
