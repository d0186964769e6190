"""Composite schedules that begin at no time near the question (2.0.1 K08; P253)."""

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from stations.domain import intents
from stations.models import CompositeSchedule
from tests.stations.ocpp.asking import VERSIONS, ask
from tests.stations.ocpp.knocking import Charger

PERIODS = [{"startPeriod": 0, "limit": 16}, {"startPeriod": 60, "limit": 8}]
CURVE: dict[str, Any] = {"chargingRateUnit": "A", "duration": 600, "chargingSchedulePeriod": PERIODS}


def told(version: str, start: str) -> dict[str, Any]:
    if version == "1.6":
        return {"status": "Accepted", "connectorId": 1, "scheduleStart": start, "chargingSchedule": CURVE}
    return {"status": "Accepted", "schedule": {**CURVE, "evseId": 1, "scheduleStart": start}}


@pytest.mark.parametrize("start", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("version", VERSIONS)
def test_p253_a_curve_that_begins_at_the_end_of_the_calendar_counts_from_its_receipt(
    charger: Charger, alice: Actor, version: str, start: str
) -> None:
    intent = intents.GetCompositeSchedule(evse_id=1, duration=600)
    with charger.dial(version) as socket:
        socket.boot()
        ask(charger, socket, alice, intent, told(version, start))

    row = CompositeSchedule.objects.get(station=charger.station, evse_id=1)
    assert abs(row.starts_at - clock.now()) < timedelta(minutes=5)
    assert [period["limit"] for period in row.periods] == [16, 8]
