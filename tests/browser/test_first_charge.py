"""The first charge as an operator sees it: describe, connect, start, watch, stop. Nothing is reloaded."""

import re

import pytest
from playwright.sync_api import Page, expect

from stations.models import ChargingStation, Command, Transaction
from tests import factories
from tests.browser.conftest import simulated, violations
from tests.waiting import eventually

TOKEN = "04A2B3C4D5E680"
PATIENCE = 20_000


def describe(page: Page, organization, identity: str) -> str:
    """Through the onboarding page; answers with the password that it shows."""
    page.goto(f"/o/{organization.slug}/stations/new/")
    page.get_by_label("Identity").fill(identity)
    page.get_by_label("Name for people").fill("Yard 1")
    page.get_by_role("button", name="Create address and password").click()
    return page.get_by_label("Password", exact=True).input_value()


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_a_charger_comes_online_charges_and_is_stopped_without_a_reload(
    version, live, open_page, organization, actor
):
    factories.make_token(actor, TOKEN, label="Pool car")
    identity = factories.unique("YARD")
    page = open_page()
    password = describe(page, organization, identity)
    expect(page.get_by_role("textbox", name="Address, whole")).to_have_value(f"{live.ocpp_url}/{identity}")
    expect(page.get_by_role("heading", name="Waiting for the charger")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live", timeout=PATIENCE)

    with simulated(live, identity, password, "--version", version, "--scenario", "idle", "--sample", "1"):
        expect(page.locator("#waiting .ok").nth(6)).to_be_visible(timeout=PATIENCE)
        page.get_by_role("link", name="To its page").click()
        card = page.locator("#evse-1")
        expect(page.locator("#head")).to_contain_text("Connected")
        expect(card).to_contain_text("Available", timeout=PATIENCE)

        card.get_by_role("button", name="Start charging").click()
        expect(card.get_by_role("status")).to_contain_text("Effect seen", timeout=PATIENCE)
        expect(card).to_contain_text("Charging", timeout=PATIENCE)
        expect(card.locator('[data-num="kwh"]')).to_have_text(re.compile(r"0\.0*[1-9]"), timeout=PATIENCE)
        assert violations(page) == {}
        expect(card.locator('[data-num="kw"]')).not_to_have_text(re.compile(r"^(–|0\.0)$"), timeout=PATIENCE)

        card.get_by_role("button", name="Stop charging").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop charging").click()
        expect(card.get_by_role("status")).to_contain_text("Stop charging", timeout=PATIENCE)
        expect(card.get_by_role("status")).to_contain_text("Effect seen", timeout=PATIENCE)
        expect(card.get_by_role("button", name="Start charging")).to_be_visible(timeout=PATIENCE)

    session = Transaction.objects.get(station__identity=identity)
    page.goto(f"/o/{organization.slug}/sessions/{session.pk}/")
    expect(page.locator(".plot canvas")).to_be_visible()
    assert violations(page) == {}
    assert (session.status, session.token_value) == ("ended", TOKEN)
    pressed = Command.objects.filter(station__identity=identity, issued_by__startswith="user:").order_by("id")
    assert list(pressed.values_list("status", "effect")) == [("accepted", "seen"), ("accepted", "seen")]


def test_a_refused_handshake_is_shown_with_its_reason(live, open_page, organization):
    identity = factories.unique("YARD")
    page = open_page()
    describe(page, organization, identity)
    expect(page.locator("#live")).to_have_text("Live", timeout=PATIENCE)

    with simulated(live, identity, "not-the-password-0001"):
        expect(page.locator("#waiting")).to_contain_text("refused 401", timeout=PATIENCE)
        expect(page.locator("#waiting")).to_contain_text("password")


def test_a_row_of_the_list_is_the_same_after_a_push_and_after_a_reload(live, open_page, organization, actor):
    station, password = factories.make_station(actor, identity=factories.unique("ROW"))
    page = open_page(f"/o/{organization.slug}/stations/")
    row = page.locator(f"#s-{station.pk}")
    expect(page.locator("#live")).to_have_text("Live", timeout=PATIENCE)
    expect(row).to_contain_text("Unknown")

    with simulated(live, station.identity, password, "--scenario", "idle"):
        expect(row).to_contain_text("connected", timeout=PATIENCE)
        expect(row).to_contain_text("Available", timeout=PATIENCE)
        eventually(lambda: ChargingStation.objects.get(pk=station.pk).vendor)
        expect(row).to_contain_text(ChargingStation.objects.get(pk=station.pk).vendor, timeout=PATIENCE)
        pushed = row.inner_text()
        page.reload()
        assert page.locator(f"#s-{station.pk}").inner_text() == pushed
