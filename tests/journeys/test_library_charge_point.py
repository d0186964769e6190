"""A charger that nobody here wrote: the `ocpp` package's own ChargePoint, in each version."""

import asyncio

import pytest

from stations.models import MeterReading, Transaction
from tests import factories
from tests.journeys.charge_points import JOURNEYS, MINUTES, WH_PER_MINUTE
from tests.running import free_port, launch, start_server, wait_until_alive

pytestmark = pytest.mark.journey


@pytest.mark.parametrize("version", list(JOURNEYS))
def test_a_session_is_exact_to_the_watt_hour_though_the_gateway_is_killed_in_its_middle(
    version: str, committed: None
) -> None:
    alice = factories.make_actor(factories.make_organization())
    station, password = factories.make_station(alice)
    token = factories.make_token(alice)
    port = free_port()
    gateway = f"journey-{port}"

    with start_server(port, gateway) as first:
        servers = [first]

        def kill_in_the_middle(minute: int) -> None:
            if minute == MINUTES // 2 and len(servers) == 1:
                first.kill()
                servers.append(launch(port, gateway))

        journey = JOURNEYS[version](first.ocpp_url, station.identity, password, token.value)
        try:
            asyncio.run(asyncio.wait_for(journey.travel(kill_in_the_middle), 120))
            wait_until_alive(servers[-1])
        finally:
            for server in servers[1:]:
                server.stop()

    transaction = Transaction.objects.get(station=station)
    readings = MeterReading.objects.filter(transaction=transaction)
    assert len(servers) == 2, "the gateway was not killed"
    assert journey.repeats >= 1, "no message was cut off"
    assert transaction.status == "ended"
    assert transaction.energy_wh == MINUTES * WH_PER_MINUTE
    assert transaction.token_id == token.pk
    assert transaction.ended_at is not None
    assert (transaction.ended_at - transaction.started_at).total_seconds() == MINUTES * 60 + 30
    assert transaction.flags == []
    assert readings.filter(context="Sample.Periodic").count() == MINUTES
