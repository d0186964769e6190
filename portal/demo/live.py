"""The demo's chargers as a fleet: each goes on where the portal last saw it."""

import os

from django.conf import settings
from django.db.models import Max

from portal.demo.organization import ensure
from portal.demo.places import DRIVERS, STATIONS, DemoStation
from portal.demo.registering import station_password
from portal.simulator.fleet import Fleet, FleetPlan, Member
from portal.simulator.outlet import Lost
from portal.simulator.scenarios import SCENARIOS
from stations.models import ChargingStation, Transaction

SAMPLE_S = 10
SPREAD_S = 3.0
FIRST_WITHIN_S = 100.0
IDLE_S = (180.0, 1_800.0)
STAY_MINUTES = (12.0, 70.0)


def door_url() -> str:
    """The chargers' door of this portal."""
    return f"{settings.PUBLIC_URL.replace('http', 'ws', 1)}/ocpp"


def fleet(url: str) -> Fleet:
    """The demo's chargers, ready to run; the demo is made where it is not there yet."""
    _, stations = ensure()
    return Fleet(
        FleetPlan(
            url=url,
            members=[_member(stations[plan.identity], plan) for plan in STATIONS],
            tokens=tuple(DRIVERS),
            sample_s=SAMPLE_S,
            spread_s=SPREAD_S,
            first_within_s=FIRST_WITHIN_S,
            edge_secret=os.environ.get("OCPP_TRUSTED_PROXY_SECRET", ""),
            idle_s=IDLE_S,
            stay_minutes=STAY_MINUTES,
            tells_needs=True,
        )
    )


def _member(station: ChargingStation, plan: DemoStation) -> Member:
    return Member(
        plan.identity,
        station_password(plan.identity),
        plan.version,
        plan.hardware,
        scenario=SCENARIOS[plan.scenario],
        registers_wh=_registers(station),
        lost=tuple(_lost(one) for one in station.transactions.filter(status="active", evse__isnull=False)),
    )


def _registers(station: ChargingStation) -> dict[int, int]:
    rows = station.transactions.values("evse__evse_id").annotate(last_wh=Max("meter_last_wh"))
    return {row["evse__evse_id"]: int(row["last_wh"]) for row in rows if row["last_wh"] is not None}


def _lost(transaction: Transaction) -> Lost:
    assert transaction.evse is not None
    return Lost(
        outlet=transaction.evse.evse_id,
        id=transaction.number or transaction.reference,
        token=transaction.token_value,
        started_at=transaction.started_at,
        ended_at=transaction.measured_at or transaction.last_event_at,
        meter_start_wh=int(transaction.meter_start_wh or 0),
        seq_no=(transaction.last_seq_no or 0) + 1,
    )
