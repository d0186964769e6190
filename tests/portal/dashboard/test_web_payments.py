"""The card of an EVSE: the station is told that somebody pays there on the web."""

import pytest
from django.test import Client

from core import clock
from stations.domain.words import Capability
from stations.models import ChargingStation, Command, Evse, Presence, Transaction
from stations.services import learning

HTMX = {"HX-Request": "true"}


@pytest.fixture
def live(home: str, station: ChargingStation) -> str:
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.1", epoch=1)
    return f"{home}stations/{station.pk}/"


def test_a_payment_is_announced_and_the_answer_shows_on_the_card(
    browser: Client, live: str, station: ChargingStation
) -> None:
    offered = browser.get(live).content.decode()
    answer = browser.post(f"{live}evses/1/payment/", {"timeout_s": "90"}, headers=HTMX)
    command = Command.objects.get(station=station)

    assert f'action="{live}evses/1/payment/"' in offered
    assert answer.status_code == 200
    assert 'id="said-1"' in answer.content.decode()
    assert (command.command, command.parameters) == (
        "notify_web_payment_started",
        {"evse_id": 1, "timeout_s": 90},
    )


@pytest.mark.parametrize("timeout_s", ["", "soon", "0", "-5", "3601", "9" * 12])
def test_a_time_that_is_none_is_refused(
    browser: Client, live: str, station: ChargingStation, timeout_s: str
) -> None:
    answer = browser.post(f"{live}evses/1/payment/", {"timeout_s": timeout_s}, headers=HTMX)

    assert answer.status_code == 422
    assert "data-refusal" in answer.content.decode()
    assert not Command.objects.filter(station=station).exists()


def test_viewers_and_strangers_announce_nothing(
    viewer: Client, charlie: Client, live: str, station: ChargingStation
) -> None:
    for client, status in ((viewer, 403), (charlie, 404)):
        assert client.post(f"{live}evses/1/payment/", {"timeout_s": "90"}).status_code == status
    assert "/payment/" not in viewer.get(live).content.decode()
    assert not Command.objects.filter(station=station).exists()


def test_it_is_offered_where_the_station_can_and_nobody_charges(
    browser: Client, live: str, station: ChargingStation, evse: Evse
) -> None:
    session = Transaction.objects.create(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station=station,
        evse=evse,
        reference="tx-1",
        started_at=clock.now(),
        last_event_at=clock.now(),
    )
    Evse.objects.filter(pk=evse.pk).update(active=session)
    charging = browser.get(live).content.decode()
    learned = learning.by_version({}, "2.0.1", [Capability.WEB_PAYMENT], clock.now())
    ChargingStation.objects.filter(pk=station.pk).update(capabilities=learned)
    older = browser.get(live).content.decode()
    browser.post(f"{live}evses/2/payment/", {"timeout_s": "90"})

    assert ("evses/1/payment/" in charging, "evses/2/payment/" in charging) == (False, True)
    assert "/payment/" not in older
    assert Command.objects.get(station=station).status == "not_supported"
