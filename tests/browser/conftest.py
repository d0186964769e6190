"""A real Chromium against the live server; skipped, loudly, where no browser can be found."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, sync_playwright

from core.access import Actor, Role
from core.models import Membership, Organization
from stations.services import access
from tests import factories
from tests.running import ROOT, Server

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # playwright keeps a loop running in this thread

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
COLOURS = ["color-contrast", "link-in-text-block"]
REFUSED = re.compile(r"status of (409|422)")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, else the one that playwright has downloaded."""
    installed = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(executable_path=installed, args=FLAGS)
        except Error as error:
            pytest.skip(f"NO BROWSER FOUND, browser tests are skipped: {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture
def alice(live: Server) -> Membership:
    """The administrator of a fresh demo organization, which needs no second factor."""
    return factories.make_member(factories.make_organization(demo=True), Role.ADMIN)


@pytest.fixture
def organization(alice: Membership) -> Organization:
    return alice.organization


@pytest.fixture
def actor(alice: Membership) -> Actor:
    return access.actor_of_member(alice)


@pytest.fixture
def open_page(browser: Browser, live: Server, alice: Membership) -> Iterator[Callable[..., Page]]:
    """Opens a page signed in as Alice; whatever the browser complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_(path: str = "/", viewport: dict[str, int] = DESK, theme: str = "light") -> Page:
        context = browser.new_context(viewport=viewport, color_scheme=theme, base_url=live.http_url)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if is_fault(said) else None)
        sign_in(page, alice)
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def is_fault(said: ConsoleMessage) -> bool:
    """An error on the console, other than Chromium's line about a wish that was refused with its reason."""
    return said.type == "error" and not REFUSED.search(said.text)


def sign_in(page: Page, member: Membership) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(member.user.email)
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", name="Overview").wait_for()


def violations(page: Page) -> dict[str, list[str]]:
    """What axe finds on the page, and whether it scrolls sideways."""
    result = Axe().run(page, options=RULES).response
    assert len(result["passes"]) > 20, "axe did not run"
    found = {one["id"]: [node["html"][:160] for node in one["nodes"]][:3] for one in result["violations"]}
    width = page.evaluate("document.documentElement.scrollWidth")
    if page.viewport_size and width > page.viewport_size["width"]:
        found["scrolls sideways"] = [str(width)]
    return found


def violations_in_the_dark(page: Page) -> dict[str, list[str]]:
    """What axe finds of colours when the page, open in the light, turns dark; all else is of no theme."""
    page.emulate_media(color_scheme="dark")
    page.locator("html[data-bs-theme=dark]").wait_for(state="attached")
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    result = Axe().run(page, options={"runOnly": COLOURS}).response
    page.emulate_media(color_scheme="light")
    assert result["passes"] or result["violations"] or result["incomplete"], "axe did not run"
    return {one["id"]: [node["html"][:160] for node in one["nodes"]][:3] for one in result["violations"]}


@contextmanager
def simulated(live: Server, identity: str, password: str, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A charger of ``manage.py simulate`` as a process of its own."""
    command = [sys.executable, "manage.py", "simulate", "--url", live.ocpp_url, "--identity", identity]
    command += ["--password", password, *more]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)
