"""No violation that axe finds, on every page, in both themes, on desk and phone."""

from datetime import timedelta

import pytest

from core import clock
from core.access import Actor
from core.models import Organization
from stations.domain import intents
from stations.models import (
    BatterySwap,
    ChargingLimit,
    ChargingPlan,
    ChargingStation,
    CompositeSchedule,
    DerControl,
    Evse,
    GridEvent,
    InstalledProfile,
    Reservation,
    Transaction,
)
from stations.services import commands, stations
from tests import factories
from tests.browser.conftest import DESK, PHONE, violations

PAGES = {
    "overview": "",
    "stations": "stations/",
    "new": "stations/new/",
    "live": "stations/{station}/",
    "commands": "stations/{station}/commands/",
    "transactions": "stations/{station}/transactions/",
    "reservations": "stations/{station}/reservations/",
    "charging": "stations/{station}/charging/",
    "grid": "stations/{station}/grid/",
    "grid curve": "stations/{station}/grid/?control_type=VoltWatt",
    "variables": "stations/{station}/variables/",
    "messages": "stations/{station}/messages/",
    "connect": "stations/{station}/connect/",
    "settings": "stations/{station}/settings/",
    "sessions": "sessions/",
    "alerts": "alerts/",
    "sites": "sites/",
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
    _limit(made, actor)
    _keep(made)
    _support_the_grid(made)
    return made


def _keep(station: ChargingStation) -> None:
    """An open reservation of its EVSE, one of any outlet, and one that is over."""
    now = clock.now()
    common = {
        "token_value": "04A1B2C3D4",
        "token_type": "ISO14443",
        "created_at": now,
        "created_by": "user:a",
    }
    evse, later = station.evses.get(evse_id=1), now + timedelta(hours=1)
    Reservation.objects.create(
        station=station, number=1, evse=evse, status="active", expires_at=later, **common
    )
    Reservation.objects.create(
        station=station, number=2, connector_type="cCCS2", status="active", expires_at=later, **common
    )
    Reservation.objects.create(
        station=station, number=3, status="refused", detail="Occupied", expires_at=now, ended_at=now, **common
    )


def _support_the_grid(station: ChargingStation) -> None:
    """A control, an alarm, a swapped battery and a session with a car that gives back, at a second EVSE."""
    now, evse = clock.now(), stations.add_evse(station, 2)
    DerControl.objects.create(
        station=station,
        control_id="01a212e1-0b18-770a-8da4-acc3fec3f076",
        control_type="VoltWatt",
        settings={
            "priority": 1,
            "yUnit": "PctMaxW",
            "curveData": [{"x": 100, "y": 100}, {"x": 110, "y": 20}],
        },
        running=True,
        running_at=now,
        told_at=now,
    )
    GridEvent.objects.create(
        station=station,
        kind="alarm",
        subject="VoltWatt",
        fault="OverVoltage",
        occurred_at=now,
        received_at=now,
    )
    BatterySwap.objects.create(
        station=station,
        request_id=1,
        kind="BatteryOut",
        token_value="04A1B2C3D4",
        token_type="ISO14443",
        batteries=[{"evseId": 1, "serialNumber": "BAT-1", "soC": 96.5, "soH": 91}],
        digest=b"1",
        received_at=now,
    )
    session = Transaction.objects.create(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station=station,
        evse=evse,
        reference="tx-1",
        started_at=now,
        last_event_at=now,
    )
    Evse.objects.filter(pk=evse.pk).update(active=session)
    ChargingPlan.objects.create(
        transaction=session,
        energy_transfer="DC_BPT",
        requested_wh=24_000,
        target_soc_percent=80,
        priority=True,
        needs_at=now,
    )


def _limit(station: ChargingStation, actor: Actor) -> None:
    """A profile, a limit of others and a composite schedule at its EVSE."""
    periods = [{"start_s": 0, "limit": 16}, {"start_s": 3600, "limit": 10}]
    schedule = {"rate_unit": "A", "start_schedule": "2026-01-01T00:00:00Z", "periods": periods}
    profile = {"purpose": "tx_default_profile", "kind": "absolute", "stack_level": 0, "schedules": [schedule]}
    commands.issue(station, intents.SetChargingProfile(evse_id=1, charging_profile=profile), by=actor)
    now = clock.now()
    InstalledProfile.objects.create(
        station=station,
        evse_id=1,
        profile_id=7,
        purpose="tx_default_profile",
        stack_level=0,
        kind="absolute",
        source="CSO",
        content={**profile, "id": 7},
        installed_by=actor.label,
        installed_at=now,
    )
    ChargingLimit.objects.create(
        station=station, evse_id=1, source="EMS", grid_critical=True, schedules=[schedule], notified_at=now
    )
    CompositeSchedule.objects.create(
        station=station,
        evse_id=1,
        rate_unit="A",
        starts_at=now,
        duration_s=86_400,
        periods=periods,
        received_at=now,
    )


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
