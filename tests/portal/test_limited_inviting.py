"""Who is limited to a site does not see other sites by way of a driver's account."""

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import Organization
from drivers.models import Driver
from stations.models import ChargingStation, Evse
from stations.services import access, sites
from tests import factories
from tests.factories import sessions
from tests.portal.driver.conftest import CARD, actor, card, evse, fresh, organization, station
from tests.portal.driver.test_invitations import link_to

__all__ = ["actor", "card", "evse", "fresh", "organization", "station"]


@pytest.fixture
def dora(actor: Actor) -> Driver:
    """A driver with a card and sessions, and without an account."""
    return factories.make_driver(actor, "Dora", email="dora@example.org")


def test_w01_a_member_of_one_site_does_not_become_a_driver_who_charged_at_another(
    organization: Organization, actor: Actor, dora: Driver, card: object, station: ChargingStation, evse: Evse
) -> None:
    session = sessions.end(sessions.begin(station, token=CARD), 2000)
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor)
    dan = factories.make_member(organization, Role.ADMIN, "dan")
    access.limit_member(dan, ["Elsewhere"], by=actor)
    desk = Client()
    assert dan.user is not None
    desk.force_login(dan.user)
    home = f"/o/{organization.slug}/"
    before = desk.get(f"{home}sessions/{session.pk}/").status_code
    page = f"{home}drivers/{dora.pk}/"
    values = {"name": dora.name, "email": dan.user.email, "language": "", "reference": "", "status": "active"}
    desk.post(page, values)
    desk.post(f"{page}invitation/", {"act": "invite"})
    dora.refresh_from_db()
    if dora.email == dan.user.email and dora.invitations.exists():
        desk.post(link_to(dora))

    assert before == 404
    assert desk.get(f"/me/sessions/{session.pk}/").status_code == 404
    dora.refresh_from_db()
    assert dora.user_id is None
