"""A driver charges with the phone: from the code on the charger to the session's price."""

import pytest
from playwright.sync_api import expect

from core.models import User
from drivers.services import drivers
from stations.models import Transaction
from stations.services import stations, sweeping
from tests import factories
from tests.browser.conftest import PHONE, simulated, violations
from tests.stations.ocpp.charging import priced

PATIENCE = 25_000
SMALL = {"width": 320, "height": 640}


@pytest.fixture
def anna(actor):
    """Signed in by the same account as the page of the test is: Alice charges as well."""
    user = User.objects.get(pk=actor.subject_id)
    return drivers.give_account(factories.make_driver(actor, "Anna"), user, by=actor)


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("viewport", "theme"), [(PHONE, "light"), (SMALL, "dark")])
def test_a_driver_starts_follows_and_stops_a_session(viewport, theme, live, open_page, actor, anna):
    priced(actor)
    factories.make_token(actor, driver=anna, label="Blue card")
    station, password = factories.make_station(actor, identity=factories.unique("PHONE"), name="Yard 1")
    evse = stations.add_evse(station, 1)

    with simulated(live, station.identity, password, "--version", "2.0.1", "--scenario", "idle"):
        page = open_page(f"/c/{evse.code}", viewport=viewport, theme=theme)
        for _ in range(40):  # until the charger has reported
            if page.get_by_text("Ready.").count():
                break
            page.wait_for_timeout(500)
            page.reload()
        expect(page.get_by_text("Ready.")).to_be_visible()
        expect(page.get_by_text("0.595 € per kWh")).to_be_visible()
        assert violations(page) == {}
        assert fits(page)

        page.get_by_role("button", name="Start").click()
        expect(page.locator(".hero")).to_contain_text("kWh", timeout=PATIENCE)
        expect(page.get_by_role("status")).to_contain_text("Energy is flowing.", timeout=PATIENCE)
        assert violations(page) == {}
        assert fits(page)

        page.get_by_role("link", name="Stop charging").click()
        assert violations(page) == {}
        page.get_by_role("button", name="Stop charging").click()
        expect(page.get_by_role("status")).to_contain_text("The session has ended.", timeout=PATIENCE)
        sweeping.follow_sessions()  # as every ten seconds, where its last message came before an earlier one
        expect(page.get_by_text("Total")).to_be_visible(timeout=PATIENCE)
        assert violations(page) == {}
        page.goto("/me/")
        assert violations(page) == {}
        assert fits(page)

    session = Transaction.objects.get(station=station)
    assert (session.status, session.driver_id) == ("ended", anna.pk)
