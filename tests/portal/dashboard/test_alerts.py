"""Open alerts where only a few have room: the worst first, whatever their words."""

from datetime import timedelta

import pytest
from django.test import Client

from core import clock
from stations.models import Alert, ChargingStation
from stations.services import alerts

MORE_THAN_ROOM = 9


@pytest.fixture
def crowd(station: ChargingStation) -> None:
    """One old alert of each serious kind among many newer ones that only inform."""
    wanted = [
        ("Information", Alert.Severity.INFO, 0, MORE_THAN_ROOM),
        ("A lost seal", Alert.Severity.CRITICAL, 3, 1),
        ("A loose screw", Alert.Severity.WARNING, 3, 1),
    ]
    for detail, severity, hours, count in wanted:
        for number in range(count):
            alerts.raise_(
                "tried",
                subject=f"{severity}{number}",
                station_id=station.pk,
                organization_id=station.organization_id,
                severity=severity,
                detail=detail,
                at=clock.now() - timedelta(hours=hours),
            )


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("place", ["", "stations/{station}/head/"])
def test_a_warning_is_not_crowded_out_by_what_only_informs(
    browser: Client, home: str, station: ChargingStation, place: str
) -> None:
    page = browser.get(home + place.format(station=station.pk)).content.decode()

    assert page.index("A lost seal") < page.index("A loose screw") < page.index("Information")
    assert page.count("Information") < MORE_THAN_ROOM


@pytest.mark.usefixtures("crowd")
def test_a_strangers_alerts_are_not_shown(charlie: Client, home: str) -> None:
    assert charlie.get(f"{home}").status_code == 404
