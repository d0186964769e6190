"""A rollout in a browser: the preview while one types, and the page that follows what happens."""

import re

from playwright.sync_api import expect

from stations.models import ChargingStation, FirmwareRollout
from stations.services import rollouts
from stations.services.rollouts import planning
from tests import factories


def test_the_preview_follows_what_is_typed_and_the_page_follows_the_rollout(open_page, organization, actor):
    image = factories.make_image(actor, name="Winter", vendor="Acme")
    made, _ = factories.make_station(actor, name="Yard 1")
    ChargingStation.objects.filter(pk=made.pk).update(vendor="Acme", model="AC22", firmware_version="1.0")
    page = open_page(f"/o/{organization.slug}/firmware/new/?image={image.pk}")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("Yard 1")
    page.get_by_label("Model", exact=True).fill("DC150")
    expect(preview).to_contain_text("No station fits.")
    page.get_by_label("Model", exact=True).fill("AC22")
    expect(preview).to_contain_text("Yard 1")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator("h2", has_text="Whom it would reach")).to_be_visible()

    rollout = FirmwareRollout.objects.get(organization=organization)
    rollouts.start(rollout, by=actor)
    page.reload()
    expect(page.locator("#progress")).to_contain_text("Running")
    expect(page.locator("#live")).to_have_attribute("data-state", re.compile("on|live"))
    rollouts.pause(rollout, by=actor)
    expect(page.locator("#progress")).to_contain_text("Paused")
    assert not planning.preview(rollout).left_out
