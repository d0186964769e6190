"""What changes while a page is fetching a piece of itself is shown as well."""

from collections.abc import Callable

from playwright.sync_api import APIResponse, Page, Route, expect

from stations.services import stations
from tests import factories

PATIENCE = 20_000


def until(page: Page, happened: Callable[[], object]) -> None:
    """Lets the browser go on until it has; the page's policy forbids a condition of its own."""
    for _ in range(PATIENCE // 50):
        if happened():
            return
        page.wait_for_timeout(50)
    raise AssertionError("It did not happen.")


def hold_the_first(page: Page, address: str) -> list[tuple[Route, APIResponse]]:
    """Answers with what was answered to the first request; the page gets it when the test lets it go."""
    held: list[tuple[Route, APIResponse]] = []

    def handle(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    page.route(address, handle)
    return held


def test_a_change_that_is_told_while_the_last_one_is_fetched_is_shown(live, open_page, organization, actor):
    station, _ = factories.make_station(actor, identity=factories.unique("ROW"), name="Before")
    page = open_page(f"/o/{organization.slug}/stations/")
    row = page.locator(f"#s-{station.pk}")
    expect(page.locator("#live")).to_have_text("Live", timeout=PATIENCE)
    page.evaluate(f"told = 0; document.body.addEventListener('live:station:{station.pk}', () => told++)")
    held = hold_the_first(page, f"**{row.get_attribute('hx-get')}")

    stations.update(station, {"name": "First"}, by=actor)
    until(page, lambda: held)
    stations.update(station, {"name": "Second"}, by=actor)
    until(page, lambda: page.evaluate("told") > 1)
    route, response = held[0]
    assert "First" in response.text()
    route.fulfill(response=response)

    expect(row).to_contain_text("Second", timeout=PATIENCE)
