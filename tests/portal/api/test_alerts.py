"""``/alerts/``: found by site, by station, and those of the organization apart."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import ApiKey, Organization
from stations.models import Alert, ChargingStation
from stations.services import access, alerts, sites
from tests import factories
from tests.portal.api.conftest import results

URL = "/api/v1/alerts/"


def raised(station: ChargingStation, kind: str = "offline") -> Alert:
    alerts.raise_(
        kind,
        station_id=station.pk,
        organization_id=station.organization_id,
        severity=Alert.Severity.WARNING,
        detail="Not connected for 10 minutes.",
        at=clock.now(),
    )
    return Alert.objects.get(station=station, kind=kind)


@pytest.fixture
def north(alice: Actor) -> Alert:
    site = sites.create({"name": "North", "time_zone": "UTC"}, by=alice)
    return raised(factories.make_station(alice, site=site)[0])


@pytest.fixture
def south(alice: Actor) -> Alert:
    site = sites.create({"name": "South", "time_zone": "UTC"}, by=alice)
    return raised(factories.make_station(alice, site=site)[0])


@pytest.fixture
def general(organization: Organization) -> Alert:
    alerts.raise_for_organization(
        "webhook_disabled",
        organization_id=organization.pk,
        severity=Alert.Severity.WARNING,
        detail="It failed for a day.",
        at=clock.now(),
        subject="books",
    )
    return Alert.objects.get(station=None)


def found(client: APIClient, **wanted: object) -> set[str]:
    return {row["id"] for row in results(client.get(URL, wanted))}


def test_alerts_are_found_by_the_site_of_their_station(
    api: APIClient, stranger: APIClient, north: Alert, south: Alert, general: Alert
) -> None:
    assert north.station is not None
    site = north.station.site_id

    assert found(api, site=site) == {str(north.pk)}
    assert found(api) == {str(north.pk), str(south.pk), str(general.pk)}
    assert found(stranger, site=site) == set()


def test_alerts_of_the_organization_are_asked_for_apart(
    api: APIClient,
    stranger: APIClient,
    api_with: Callable[..., APIClient],
    alice: Actor,
    north: Alert,
    general: Alert,
) -> None:
    limited = api_with("alerts:read")
    access.limit_key(ApiKey.objects.latest("created_at"), ["North"], by=alice)

    assert found(api, of_organization="true") == {str(general.pk)}
    assert found(api, of_organization="false") == {str(north.pk)}
    assert found(stranger, of_organization="true") == found(limited, of_organization="true") == set()


def test_below_a_station_only_its_own_alerts_are_found(api: APIClient, north: Alert, general: Alert) -> None:
    below = f"/api/v1/stations/{north.station_id}/alerts/"

    assert [row["id"] for row in results(api.get(below))] == [str(north.pk)]
    assert api.get(below, {"of_organization": "true"}).status_code == 400
