"""What fills the tabs of a station, so that their tables and forms are drawn."""

from datetime import timedelta

from core import clock
from core.access import Actor
from stations.models import (
    BatterySwap,
    ChargingPlan,
    ChargingStation,
    DerControl,
    EventStream,
    Evse,
    GridEvent,
    InstalledProfile,
    Reservation,
    StationTariff,
    Transaction,
)
from stations.services import rollouts, stations
from stations.services.rollouts import planning
from tests import factories
from tests.factories import sessions
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element


def keep_free(station: ChargingStation) -> None:
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
        station=station, number=2**30, evse=evse, status="active", expires_at=later, **common
    )
    Reservation.objects.create(
        station=station, number=2**30 + 1, connector_type="cCCS2", status="active", expires_at=later, **common
    )
    Reservation.objects.create(
        station=station,
        number=2**30 + 2,
        status="refused",
        detail="Occupied",
        expires_at=now,
        ended_at=now,
        **common,
    )


def support_the_grid(station: ChargingStation) -> None:
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


def price_and_stream(station: ChargingStation) -> None:
    """A tariff at the station, an open stream of a monitor's values, and a dynamic profile."""
    now = clock.now()
    StationTariff.objects.create(
        station=station, kind="default", tariff_id="DAY-1", status="installed", told_at=now
    )
    EventStream.objects.create(
        station=station, number=7, monitor_number=3, interval_s=60, opened_at=now, last_value="21"
    )
    InstalledProfile.objects.create(
        station=station,
        evse_id=1,
        profile_id=8,
        purpose="tx_default_profile",
        stack_level=1,
        kind="dynamic",
        source="CSO",
        content={"schedules": [{"rate_unit": "W", "periods": [{"start_s": 0, "limit": 11000}]}]},
        installed_at=now,
    )


def sell(station: ChargingStation, actor: Actor) -> Transaction:
    """A session that was priced by a tariff of two prices, with a warning of the linter."""
    night = element(component("ENERGY", "0.35", "19"), start_time="22:00", end_time="06:00")
    day = element(component("ENERGY", "0.45", "19"), component("PARKING_TIME", "3.00", "19"))
    priced(actor, night, day)
    return sessions.end(sessions.begin(station), 12_345)


def roll_out(station: ChargingStation, actor: Actor) -> None:
    """An image, a rollout of it that waits for the station, and the draft of another."""
    image = factories.make_image(actor, name="Winter")
    wanted = {"image": image, "stations": [station.pk]}
    rollouts.start(planning.draft(wanted, by=actor), by=actor)
    planning.draft(wanted, by=actor)
