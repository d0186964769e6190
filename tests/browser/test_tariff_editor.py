"""Writing a tariff in a browser: elements come and go, the preview follows what is typed."""

import pytest
from playwright.sync_api import expect

from tariffs.models import Tariff
from tests.browser.conftest import DESK, PHONE, violations

PATIENCE = 10_000


def test_a_tariff_of_two_elements_is_written_previewed_and_saved(live, open_page, organization):
    page = open_page(f"/o/{organization.slug}/tariffs/new/?template=energy")
    preview, samples, past = (page.locator(f"#{name}") for name in ("preview", "samples", "past"))
    expect(past).to_contain_text("Last 30 days repriced", timeout=PATIENCE)
    page.get_by_label("Name").fill("Cheaper at night")
    page.get_by_role("button", name="Add an element").click()
    expect(page.get_by_role("heading", name="Element 2")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Cheaper at night")

    night = page.locator("#element-1")
    night.get_by_label("Energy, per kWh: Price").fill("0.30")
    night.get_by_text("Conditions: when these prices count").click()
    night.get_by_label("From (time of day)").fill("22:00")
    night.get_by_label("To (time of day)").fill("06:00")
    expect(preview).to_contain_text("L06", timeout=PATIENCE)
    night.get_by_role("button", name="Move element 2 up").click()
    expect(page.locator("section[id^=element-]").first).to_have_id("element-1")
    expect(preview).to_contain_text("0.357 € per kWh incl. 19 % VAT (22:00–06:00)", timeout=PATIENCE)
    expect(preview).not_to_contain_text("L06")

    page.get_by_label("kWh", exact=True).fill("10")
    page.get_by_label("Minutes of charging").fill("60")
    expect(samples).to_contain_text("Your figures", timeout=PATIENCE)
    expect(samples).to_contain_text("5.36 €")
    expect(page.get_by_label("Minutes of charging")).to_be_focused()
    assert violations(page) == {}

    page.get_by_role("button", name="Save draft").last.click()
    expect(page.get_by_text("The draft was saved.")).to_be_visible()
    content = Tariff.objects.get(name="Cheaper at night").versions.get().content
    assert [one.get("restrictions") for one in content["elements"]] == [
        {"start_time": "22:00", "end_time": "06:00"}, None,
    ]  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_editor_with_its_conditions_open_has_no_violation(live, open_page, organization, viewport, theme):
    page = open_page(f"/o/{organization.slug}/tariffs/new/?template=occupancy", viewport, theme)
    page.get_by_text("Conditions: when these prices count").click()
    page.get_by_text("Dates, current, reservations").click()
    found = violations(page)
    page.get_by_role("button", name="Write it as a document").click()
    expect(page.get_by_label("OCPI tariff")).to_be_visible()

    assert found == {}
    assert violations(page) == {}
