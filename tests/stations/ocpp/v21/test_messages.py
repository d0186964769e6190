"""What 2.1 adds to messages of 2.0.1 is accepted, and what it lacks is told apart."""

import pytest

from stations.domain.words import Flag
from stations.models import Connector, Transaction
from stations.ocpp import v21, v201
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import CallError
from tests.wire.golden import wire


def test_an_event_with_costs_limits_and_states_of_21_is_stored(charger: Charger) -> None:
    updated = wire("v201/TransactionEvent.updated", triggerReason="RunningCost")
    updated["transactionInfo"]["transactionId"] = "tx-21"

    with charger.dial("2.1") as socket:
        socket.boot()
        assert socket.call("TransactionEvent", wire("v21/TransactionEvent.started")) == {}
        assert socket.call("TransactionEvent", updated) == {}

    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.reference == "tx-21"
    assert transaction.energy_wh == 1100
    assert Flag.MISSING_EVENTS not in transaction.flags


def test_the_same_event_is_refused_on_201(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call("TransactionEvent", wire("v21/TransactionEvent.started"))

    assert refused.value.code in ("FormatViolation", "PropertyConstraintViolation")
    assert not Transaction.objects.filter(station=charger.station).exists()


def test_p196_a_station_that_tells_by_events_alone_has_its_connectors(charger: Charger) -> None:
    event = wire("v21/NotifyEvent.connector_occupied")
    second = {
        **event["eventData"][0],
        "component": {"name": "Connector", "evse": {"id": 2, "connectorId": 1}},
    }
    event["eventData"].append({**second, "eventId": 2, "actualValue": "Available"})

    with charger.dial("2.1") as socket:
        socket.boot()
        assert socket.call("NotifyEvent", event) == {}

    rows = Connector.objects.filter(evse__station=charger.station).order_by("evse__evse_id")
    assert [row.status for row in rows] == ["Occupied", "Available"]


def test_p069_a_known_action_that_is_not_offered_and_an_unknown_one_are_both_answered(
    charger: Charger,
) -> None:
    codes = []
    with charger.dial("2.1") as socket:
        socket.boot()
        for action, payload in (("Reset", {"type": "OnIdle"}), ("NotifyMoonPhase", {})):
            with pytest.raises(CallError) as refused:
                socket.call(action, payload)
            codes.append(refused.value.code)

    assert codes == ["NotSupported", "NotImplemented"]


def test_21_is_a_small_difference_to_201() -> None:
    assert set(v201.ROUTES) <= set(v21.ROUTES)
    assert {kind for kind in v201.OUTBOUND if v201.OUTBOUND[kind] is not v21.OUTBOUND[kind]} <= set(
        v21.OUTBOUND
    )
