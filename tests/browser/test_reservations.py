"""An operator keeps an outlet free and gives it up again, and sees what the station makes of it."""

import pytest
from playwright.sync_api import expect

from stations.models import Command, Reservation
from stations.services import stations
from tests import factories
from tests.browser.conftest import simulated, violations

PATIENCE = 20_000


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_an_outlet_is_reserved_at_its_card_and_given_up_without_a_reload(
    version, live, open_page, organization, actor
):
    factories.make_token(actor, "04A2B3C4D5E681", label="Pool car")
    station, password = factories.make_station(actor, identity=factories.unique("KEEP"))
    stations.add_evse(station, 1)
    page = open_page(f"/o/{organization.slug}/stations/{station.pk}/")
    card = page.locator("#evse-1")

    with simulated(live, station.identity, password, "--version", version, "--scenario", "idle"):
        expect(card).to_contain_text("Available", timeout=PATIENCE)
        card.get_by_role("button", name="Reserve EVSE 1").click()
        page.get_by_role("dialog").get_by_role("button", name="Reserve").click()
        expect(card.get_by_role("status")).to_contain_text("Effect seen", timeout=PATIENCE)
        expect(card).to_contain_text("Reserved")
        expect(card).to_contain_text("Kept free for Pool car until")
        assert violations(page) == {}

        page.get_by_role("link", name="Reservations").click()
        table = page.locator("#reservations")
        expect(table).to_contain_text("Kept free")
        table.get_by_role("button", name="Cancel reservation").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel the reservation").click()
        expect(table).to_contain_text("Effect seen", timeout=PATIENCE)
        expect(table).to_contain_text("Nothing is reserved")
        expect(table.locator("tbody")).to_contain_text("Cancelled")
        assert violations(page) == {}

    assert Reservation.objects.get(station=station).status == "cancelled"
    said = Command.objects.filter(station=station).order_by("id").values_list("command", "effect")
    assert list(said) == [("reserve_now", "seen"), ("cancel_reservation", "seen")]


def test_a_refusal_is_told_beside_the_form_and_leaves_the_panel_as_it_is(
    live, open_page, organization, actor
):
    factories.make_token(actor, label="Pool car")
    station, password = factories.make_station(actor, identity=factories.unique("LONG"))
    stations.add_evse(station, 1)
    page = open_page(f"/o/{organization.slug}/stations/{station.pk}/reservations/")

    with simulated(live, station.identity, password, "--version", "2.0.1", "--scenario", "idle"):
        expect(page.locator("#head")).to_contain_text("Connected", timeout=PATIENCE)
        page.reload()
        page.get_by_label("Or until").fill("2099-01-01T10:00")
        page.get_by_role("button", name="Reserve").click()
        expect(page.get_by_role("alert")).to_contain_text("Choose a time within the next 7 days.")
        expect(page.locator("#reservations")).to_contain_text("Nothing is reserved")
        assert violations(page) == {}
    assert not Command.objects.filter(station=station).exists()
