"""No violation that axe finds, on every page, in both themes, on desk and phone."""

from datetime import timedelta

import pytest

from core import clock
from core.access import Actor
from core.models import Organization
from drivers.models import IdToken
from drivers.services import tables, tokens
from drivers.services.importing import Known
from stations.domain import intents
from stations.domain.certificates import CertificateUse, SigningRequested
from stations.domain.events import SecurityEventReported, Stamp, VariableReported
from stations.domain.firmware import FirmwareKind, FirmwareStateReported, LogStateReported
from stations.domain.local_lists import Entry, Shape
from stations.domain.monitoring import MonitorReported, PartReceived
from stations.domain.station import StationRef
from stations.models import (
    ChargingLimit,
    ChargingStation,
    CompositeSchedule,
    FirmwareImage,
    FirmwareRollout,
    InstalledProfile,
    OrphanStop,
    SessionDecision,
    StatusAnswer,
    Transaction,
)
from stations.services import commands, device_model, firmware, logs, monitors, security_events, stations
from stations.services.certificates import installed, signing
from stations.services.local_lists import holding
from tariffs.models import Tariff
from tests import factories, pki
from tests.browser.conftest import DESK, PHONE, violations, violations_in_the_dark
from tests.browser.furnishing import keep_free, price_and_stream, roll_out, sell, support_the_grid

PAGES = {
    "overview": "",
    "stations": "stations/",
    "new": "stations/new/",
    "live": "stations/{station}/",
    "commands": "stations/{station}/commands/",
    "transactions": "stations/{station}/transactions/",
    "reservations": "stations/{station}/reservations/",
    "charging": "stations/{station}/charging/",
    "local list": "stations/{station}/local-list/",
    "grid": "stations/{station}/grid/",
    "grid curve": "stations/{station}/grid/?control_type=VoltWatt",
    "variables": "stations/{station}/variables/",
    "variables to edit": "stations/{station}/variables/?edit=OCPPCommCtrlr",
    "monitoring": "stations/{station}/monitoring/",
    "stream": "stations/{station}/monitoring/streams/{stream}/",
    "display": "stations/{station}/display/",
    "quirks": "quirks/",
    "new quirk": "quirks/new/",
    "messages": "stations/{station}/messages/",
    "connect": "stations/{station}/connect/",
    "firmware": "stations/{station}/firmware/",
    "rollouts": "firmware/",
    "new rollout": "firmware/new/",
    "draft of a rollout": "firmware/{draft}/",
    "rollout": "firmware/{rollout}/",
    "images": "firmware/images/",
    "image": "firmware/images/{image}/",
    "new image": "firmware/images/new/",
    "security": "stations/{station}/security/",
    "signing": "stations/{station}/security/requests/{request}/",
    "settings": "stations/{station}/settings/",
    "sessions": "sessions/",
    "invoices": "invoices/",
    "month end": "invoices/runs/?period=2026-11",
    "reminders": "settings/dunning/",
    "exceptions": "invoices/exceptions/",
    "session": "sessions/{sold}/",
    "tariffs": "tariffs/",
    "tariff": "tariffs/{tariff}/",
    "tariff editor": "tariffs/{tariff}/edit/",
    "new tariff": "tariffs/new/?template=occupancy",
    "repairs": "sessions/repair/",
    "repair": "sessions/{session}/repair/",
    "alerts": "alerts/",
    "sites": "sites/",
    "tokens": "tokens/",
    "token": "tokens/{token}/",
    "token import": "tokens/import/",
    "import of tokens": "tokens/imports/{batch}/",
    "drivers": "drivers/",
    "driver": "drivers/{driver}/",
    "duplicates of a driver": "drivers/{driver}/merge/",
    "users": "users/",
    "developer": "developer/",
    "webhooks": "developer/webhooks/",
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
    _keep_busy(made)
    keep_free(made)
    support_the_grid(made)
    price_and_stream(made)
    _tell_of_variables(made)
    _local_list(made)
    _session_without_end(made)
    sell(made, actor)
    roll_out(made, actor)
    return made


def _tell_of_variables(station: ChargingStation) -> None:
    """A variable, a monitor and its report, so that their tables are drawn."""
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    interval = VariableReported(component="OCPPCommCtrlr", variable="HeartbeatInterval", value="300")
    device_model.store(side, [interval], clock.now())
    part = PartReceived(request_id=4, seq_no=1, to_be_continued=False, generated_at=clock.now())
    monitor = MonitorReported(number=7, component="EVSE", variable="Power", type="Delta", severity=3)
    monitors.store_part(side, part, [monitor], clock.now())


def _local_list(station: ChargingStation) -> None:
    """One that the station took, and that somebody else changed since."""
    holding.row_of(station.pk)
    holding.sending(station.pk, "full", Shape())
    (number,) = holding.number_messages(station.pk, 1)
    entry = Entry(value="04A1B2C3D4", type="ISO14443", status="blocked")
    holding.took(station.pk, number, full=True, placed=[entry], removed=[], at=clock.now())
    holding.version_told(station.pk, 77, clock.now())


def _session_without_end(station: ChargingStation) -> None:
    """Silent for two days, denied by the station, with a stop that fits it and a decision to wait."""
    began = clock.now() - timedelta(days=2)
    session = Transaction.objects.create(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station=station,
        evse=station.evses.get(evse_id=1),
        reference="stuck",
        started_at=began,
        last_event_at=began,
        meter_start_wh=1000,
        meter_last_wh=3500,
        energy_wh=2500,
    )
    StatusAnswer.objects.create(
        station=station, transaction=session, ongoing=False, messages_in_queue=False, answered_at=clock.now()
    )
    OrphanStop.objects.create(
        station=station,
        number=-1,
        meter_stop_wh=5000,
        occurred_at=began,
        received_at=began,
        suggested=session,
    )
    SessionDecision.objects.create(
        transaction=session,
        kind="wait",
        waits_until=clock.now() - timedelta(hours=1),
        reason="The modem was replaced.",
        decided_by="user:anna@example.org",
        decided_at=began,
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


def _import(organization: Organization) -> dict[str, object]:
    """A driver and a token that an import made; the token is blocked for a day."""
    actor = factories.make_actor(organization)
    done = tables.take("value,driver\n04AABB,Frida\n", known=Known.SKIP, by=actor, trial=False)
    token = IdToken.objects.get(organization=organization, value="04AABB")
    tokens.block(token, reason="Loud", until=clock.now() + timedelta(days=1), by=actor)
    assert done.batch is not None
    return {"token": token.pk, "batch": done.batch.pk, "driver": token.driver_id}


def _keep_busy(station: ChargingStation) -> None:
    """Jobs in several states, a request to sign, a root and an event."""
    side = StationRef(station_id=station.pk, organization_id=station.organization_id)
    now = clock.now()
    for number, word in ((7, "Downloading"), (8, "InstallationFailed"), (9, "Installed")):
        url = "https://firmware.example.org/ac22-2.0.bin"
        firmware.begin(side, intents.UpdateFirmware(location=url, version="2.0", request_id=number))
        state = FirmwareStateReported(kind=FirmwareKind.UPDATE, status=word, request_id=number)
        firmware.reported(side, state, now)
    logs.reported(side, LogStateReported(status="Uploaded", request_id=10), now)
    csr = pki.request(station.identity, station.organization.name)
    signing.receive(side, SigningRequested(csr=csr), now)
    root = pki.pem(pki.authority().certificate)
    installed.stored(side, CertificateUse.MANUFACTURER_ROOT, root, now)
    stamp = Stamp(occurred_at=now, received_at=now)
    security_events.store(side, SecurityEventReported(type="TamperDetectionActivated", stamp=stamp))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_no_page_has_a_violation(viewport, open_page, organization: Organization, station: ChargingStation):
    page = open_page(viewport=viewport)
    named = {
        "station": station.pk,
        "request": station.signing_requests.get().pk,
        "stream": station.streams.get().pk,
        "session": station.transactions.get(reference="stuck").pk,
        "sold": station.transactions.get(status="ended").pk,
        "image": FirmwareImage.objects.get(organization=organization).pk,
        "draft": FirmwareRollout.objects.get(organization=organization, status="draft").pk,
        "rollout": FirmwareRollout.objects.get(organization=organization, status="running").pk,
        "tariff": Tariff.objects.get(organization=organization).pk,
        **_import(organization),
    }
    found = {}
    for name, path in PAGES.items():
        page.goto(f"/o/{organization.slug}/{path.format(**named)}")
        found |= {f"{name}: {what}": where for what, where in violations(page).items()}
        found |= {f"{name}, dark: {what}": where for what, where in violations_in_the_dark(page).items()}
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
