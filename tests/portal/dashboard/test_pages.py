"""What pages show: fragments equal pages, strangers' text stays text, nothing inline."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from core.access import Actor
from core.models import Membership, Organization
from drivers.models import IdToken
from stations.models import ChargingStation, Command, Evse, Presence, SiteLimit, Transaction
from stations.services import sites
from tests import factories

EVIL = '<script>alert(1)</script>" hx-get="/x'
PATHS = [
    "",
    "stations/",
    "stations/new/",
    "stations/{}/",
    "stations/{}/commands/",
    "stations/{}/connect/",
    "stations/{}/settings/",
    "stations/{}/firmware/",
    "stations/{}/security/",
    "stations/{}/messages/",
    "stations/{}/reservations/",
    "stations/{}/charging/",
    "stations/{}/display/",
    "data-transfer-rules/",
    "stations/{}/grid/",
    "stations/{}/variables/",
    "stations/{}/transactions/",
    "sessions/",
    "alerts/",
    "sites/",
    "sites/new/",
    "drivers/",
    "drivers/groups/",
    "authorizations/",
    "token-groups/",
    "tokens/import/",
    "tokens/",
    "users/",
    "developer/",
    "developer/webhooks/",
    "audit/",
    "search/?q=yard",
]


@pytest.fixture
def connected(station: ChargingStation) -> ChargingStation:
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.0.1", epoch=1)
    return station


@pytest.mark.parametrize("path", PATHS)
def test_no_page_has_inline_style_or_script_and_each_has_one_heading(
    browser: Client, home: str, station: ChargingStation, path: str
) -> None:
    answer = browser.get(home + path.format(station.pk))
    page = answer.content.decode()

    assert answer.status_code == 200
    assert not re.search(r"\sstyle=|\son\w+=|hx-on|<script(?![^>]*\ssrc=)|javascript:", page)
    assert page.count("<h1") == 1
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Request-Id"]


def test_text_of_a_station_stays_text(browser: Client, home: str, station: ChargingStation) -> None:
    ChargingStation.objects.filter(pk=station.pk).update(vendor=EVIL, model=EVIL[:50], serial_number=EVIL)
    for path in ("stations/", f"stations/{station.pk}/", f"stations/{station.pk}/connect/", "search/?q=yard"):
        page = browser.get(home + path).content.decode()
        assert "<script>alert" not in page
        assert '" hx-get="/x' not in page


def test_the_row_after_a_push_equals_the_row_after_a_reload(
    browser: Client, home: str, connected: ChargingStation
) -> None:
    page = browser.get(f"{home}stations/").content.decode()
    row = browser.get(f"{home}stations/{connected.pk}/row/", headers={"HX-Request": "true"}).content.decode()

    assert row.strip().startswith("<tr")
    assert row.strip() in page


def test_the_card_after_a_push_equals_the_card_after_a_reload(
    browser: Client, home: str, connected: ChargingStation, token: IdToken
) -> None:
    def without_forgery_tokens(text: str) -> str:
        return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text).strip()

    page = without_forgery_tokens(browser.get(f"{home}stations/{connected.pk}/").content.decode())
    answer = browser.get(f"{home}stations/{connected.pk}/evses/1/", headers={"HX-Request": "true"})

    assert without_forgery_tokens(answer.content.decode()) in page


def test_start_issues_a_command_for_that_evse_and_shows_it_under_the_control(
    browser: Client, home: str, connected: ChargingStation, token: IdToken
) -> None:
    address = f"{home}stations/{connected.pk}/evses/2/start/"
    answer = browser.post(address, {"token": str(token.pk)}, headers={"HX-Request": "true"})
    command = Command.objects.get(station=connected)

    assert (command.command, command.evse_id, command.status) == ("request_start_transaction", 2, "pending")
    assert command.parameters["token_value"] == token.value
    assert 'id="said-2"' in answer.content.decode()
    assert "Queued" in answer.content.decode()


def test_a_token_of_a_stranger_starts_nothing(browser: Client, home: str, connected: ChargingStation) -> None:
    other = factories.make_organization()
    foreign = factories.make_token(factories.make_actor(other))
    answer = browser.post(f"{home}stations/{connected.pk}/evses/1/start/", {"token": str(foreign.pk)})

    assert answer.status_code == 404
    assert not Command.objects.filter(station=connected).exists()


def test_stop_names_the_running_session(
    browser: Client, home: str, organization: Organization, connected: ChargingStation, evse: Evse
) -> None:
    from core import clock

    session = Transaction.objects.create(
        organization=organization,
        site=connected.site,
        station=connected,
        evse=evse,
        reference="7",
        started_at=clock.now(),
        last_event_at=clock.now(),
    )
    browser.post(f"{home}stations/{connected.pk}/evses/1/stop/")

    assert Command.objects.get(station=connected).transaction == session


def test_the_password_of_a_new_station_is_shown_once(browser: Client, home: str) -> None:
    identity = factories.unique("NEW")
    values = {"identity": identity, "security_profile": "1"}
    page = browser.post(f"{home}stations/new/", values).content.decode()
    station = ChargingStation.objects.get(identity=identity)
    secret = re.search(r'id="password" value="([0-9a-f]{40})"', page)

    assert secret
    assert f"/ocpp/{identity}" in page
    assert secret[1] not in browser.get(f"{home}stations/{station.pk}/connect/").content.decode()


def test_a_form_that_was_refused_keeps_what_was_typed_and_marks_the_field(
    browser: Client, home: str, station: ChargingStation
) -> None:
    answer = browser.post(
        f"{home}stations/new/", {"identity": station.identity, "name": "Twice", "security_profile": "1"}
    )

    assert answer.status_code == 422
    assert "There is already a station" in answer.content.decode()
    assert 'value="Twice"' in answer.content.decode()
    assert 'aria-invalid="true"' in answer.content.decode()


def test_an_api_key_is_shown_once_and_can_be_revoked(
    browser: Client, home: str, organization: Organization
) -> None:
    page = browser.post(f"{home}developer/", {"name": "ci", "scopes": ["stations:read"]}).content.decode()
    secret = re.search(r'id="secret" value="(cy_[^"]+)"', page)
    key = organization.api_keys.get()

    assert secret
    assert secret[1] not in browser.get(f"{home}developer/").content.decode()
    browser.post(f"{home}developer/{key.pk}/revoke/")
    key.refresh_from_db()
    assert not key.usable


def test_tokens_are_added_and_blocked(browser: Client, home: str, organization: Organization) -> None:
    browser.post(f"{home}tokens/", {"value": "04AABBCC", "type": "ISO14443", "label": "Van"})
    token = IdToken.objects.get(organization=organization, value="04AABBCC")
    browser.post(f"{home}tokens/{token.pk}/status/", {"act": "block", "reason": "lost"})
    token.refresh_from_db()

    assert token.status == "blocked"


def test_sites_are_added_and_changed(browser: Client, home: str, organization: Organization) -> None:
    browser.post(f"{home}sites/new/", {"name": "Depot", "time_zone": "Europe/Vienna", "public": "on"})
    site = organization.site_set.get(name="Depot")
    browser.post(f"{home}sites/{site.pk}/", {"name": "Depot 2", "time_zone": "Europe/Vienna"})
    site.refresh_from_db()

    assert (site.name, site.public) == ("Depot 2", False)


def test_the_theme_is_written_by_the_server(browser: Client, home: str) -> None:
    answer = browser.post(f"{home}preferences/", {"theme": "dark", "next": "https://evil.example/"})

    assert answer["Location"] == home
    assert 'data-bs-theme="dark"' in browser.get(home).content.decode()


def test_the_style_sheet_stays_small() -> None:
    assert len(Path(settings.BASE_DIR, "static/css/app.css").read_bytes()) <= 12_288


def test_every_icon_in_use_exists_in_the_sprite(browser: Client, home: str, station: ChargingStation) -> None:
    sprite = Path(settings.BASE_DIR, "static/vendor/icons.svg").read_text()
    drawn = set()
    for path in PATHS:
        page = browser.get(home + path.format(station.pk)).content.decode()
        drawn |= set(re.findall(r'icons(?:\.\w+)?\.svg#([a-z0-9-]+)"', page))

    assert drawn
    assert [name for name in sorted(drawn) if f'id="{name}"' not in sprite] == []


def test_adding_a_limited_member_again_is_refused_and_lifts_nothing(
    browser: Client, home: str, organization: Organization, actor: Actor
) -> None:
    site = sites.create({"name": "Depot", "time_zone": "Europe/Berlin"}, by=actor)
    form = {"email": f"{factories.unique('dan')}@example.org", "role": "viewer"}
    browser.post(f"{home}users/", {**form, "sites": [site.pk]})
    member = Membership.objects.get(user__email=form["email"])

    answer = browser.post(f"{home}users/", {**form, "role": "admin"})

    member.refresh_from_db()
    assert answer.status_code == 422
    assert "is a member already" in answer.content.decode()
    assert member.role == "viewer"
    assert SiteLimit.objects.get(membership=member).site == site
