"""The word beside an EVSE and the filter of that word find the same stations, whatever was reported."""

import pytest

from core import clock
from stations.domain.words import ConnectorStatus
from stations.models import ChargingStation, Connector, Evse, Presence, Transaction
from stations.services import stations
from tests import factories

REPORTED = ("Available", "Occupied", "Preparing", "Charging", "Faulted", "Unavailable")
GOING_ON = (None, "", "Charging", "SuspendedEV", "EVConnected", "Idle", "odd")


@pytest.mark.parametrize("going_on", GOING_ON)
def test_the_list_filtered_by_a_state_holds_just_the_stations_that_show_it(
    db: None, going_on: str | None
) -> None:
    actor = factories.make_actor(factories.make_organization())
    for word in REPORTED:
        _station(actor, word, going_on)
    mine = ChargingStation.objects.visible_to(actor)
    shown = {
        (evse.station_id, evse.state)
        for evse in Evse.objects.filter(station__in=mine).select_related("active")
    }

    for status in set(ConnectorStatus) - {ConnectorStatus.UNKNOWN}:
        expected = {station for station, state in shown if state == status}
        assert set(mine.with_evse_in(status).values_list("pk", flat=True)) == expected, status


def _station(actor: object, reported: str, going_on: str | None) -> None:
    station, _ = factories.make_station(actor)  # type: ignore[arg-type]
    Presence.objects.filter(station=station).update(connected=True)
    evse = stations.add_evse(station, 1)
    Connector.objects.filter(evse=evse).update(status=reported)
    if going_on is not None:
        session = Transaction.objects.create(
            organization=station.organization,
            site=station.site,
            station=station,
            evse=evse,
            reference="1",
            charging_state=going_on,
            started_at=clock.now(),
            last_event_at=clock.now(),
        )
        Evse.objects.filter(pk=evse.pk).update(active=session)
