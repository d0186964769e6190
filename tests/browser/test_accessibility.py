"""No violation that axe finds, on every page, in both themes, on desk and phone."""

import pytest

from core import clock
from core.access import Actor
from core.models import Organization
from stations.domain import intents
from stations.domain.events import VariableReported
from stations.domain.monitoring import MonitorReported, PartReceived
from stations.domain.station import StationRef
from stations.models import ChargingStation
from stations.services import commands, device_model, monitors, stations
from tests import factories
from tests.browser.conftest import DESK, PHONE, violations

PAGES = {
    "overview": "",
    "stations": "stations/",
    "new": "stations/new/",
    "live": "stations/{station}/",
    "commands": "stations/{station}/commands/",
    "transactions": "stations/{station}/transactions/",
    "variables": "stations/{station}/variables/",
    "variables to edit": "stations/{station}/variables/?edit=OCPPCommCtrlr",
    "monitoring": "stations/{station}/monitoring/",
    "messages": "stations/{station}/messages/",
    "connect": "stations/{station}/connect/",
    "settings": "stations/{station}/settings/",
    "sessions": "sessions/",
    "alerts": "alerts/",
    "sites": "sites/",
    "quirks": "quirks/",
    "new quirk": "quirks/new/",
    "tokens": "tokens/",
    "users": "users/",
    "developer": "developer/",
    "audit": "audit/",
}


@pytest.fixture
def station(actor: Actor) -> ChargingStation:
    """With an EVSE and a command that failed, so that cards and timelines are drawn."""
    factories.make_token(actor, label="Pool car")
    made, _ = factories.make_station(actor, name="Yard 1")
    stations.add_evse(made, 1)
    commands.issue(made, intents.UnlockConnector(evse_id=1), by=actor)
    _tell_of_variables(made)
    return made


def _tell_of_variables(station: ChargingStation) -> None:
    """A variable, a monitor and its report, so that their tables are drawn."""
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    interval = VariableReported(component="OCPPCommCtrlr", variable="HeartbeatInterval", value="300")
    device_model.store(side, [interval], clock.now())
    part = PartReceived(request_id=4, seq_no=1, to_be_continued=False, generated_at=clock.now())
    monitor = MonitorReported(number=7, component="EVSE", variable="Power", type="Delta", severity=3)
    monitors.store_part(side, part, [monitor], clock.now())


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_violation(
    theme, viewport, open_page, organization: Organization, station: ChargingStation
):
    page = open_page(viewport=viewport, theme=theme)
    found = {}
    for name, path in PAGES.items():
        page.goto(f"/o/{organization.slug}/{path.format(station=station.pk)}")
        found |= {f"{name}: {what}": where for what, where in violations(page).items()}
    assert found == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in_page_has_no_violation(theme, browser, live):
    context = browser.new_context(viewport=PHONE, color_scheme=theme, base_url=live.http_url)
    page = context.new_page()
    page.goto("/accounts/login/")
    assert violations(page) == {}
    page.goto("/accounts/password/reset/")
    assert violations(page) == {}
    context.close()
