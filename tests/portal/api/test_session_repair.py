"""``/transactions/{id}/repair/`` and ``?needs_repair=``."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import AuditEntry
from stations.models import ChargingStation, OrphanStop, SessionDecision, StatusAnswer, Transaction
from stations.services import stations
from tests import factories
from tests.portal.api.conftest import results

DAY = timedelta(days=1)
WHY = {"reason": "The charger burnt down."}


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    station, _ = factories.make_station(alice)
    stations.add_evse(station, 1)
    return station


@pytest.fixture
def session(station: ChargingStation) -> Transaction:
    """Begun two days ago by 1.6, with 2,500 Wh read a little later."""
    began = clock.now() - 2 * DAY
    return Transaction.objects.create(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station=station,
        evse=station.evses.get(),
        reference="4711",
        number=4711,
        token_value="04A1B2C3D4",
        started_at=began,
        start_received_at=began,
        last_event_at=began + timedelta(hours=1),
        meter_start_wh=1000,
        meter_start_at=began,
        meter_start_exact=True,
        meter_last_wh=3500,
        meter_last_at=began + timedelta(hours=1),
        energy_wh=2500,
    )


@pytest.fixture
def path(session: Transaction) -> str:
    return f"/api/v1/transactions/{session.pk}/repair/"


def test_what_speaks_for_the_end_is_told(api: APIClient, path: str, session: Transaction) -> None:
    StatusAnswer.objects.create(
        station=session.station,
        transaction=session,
        ongoing=False,
        messages_in_queue=False,
        answered_at=clock.now(),
    )
    told = api.get(path).json()

    assert told["reasons"] == ["station_denies", "silent"]
    assert told["station_says"]["ongoing"] is False
    assert (told["connected"], told["can_be_asked"], told["decisions"]) == (False, False, [])
    assert api.get(f"/api/v1/transactions/{session.pk}/").json()["station_says"]["messages_in_queue"] is False


def test_sessions_that_need_somebody_are_filtered(api: APIClient, session: Transaction) -> None:
    needing = results(api.get("/api/v1/transactions/", {"needs_repair": "true"}))
    others = results(api.get("/api/v1/transactions/", {"needs_repair": "false"}))

    assert [one["id"] for one in needing] == [str(session.pk)]
    assert others == []


@pytest.mark.parametrize(
    ("decision", "energy_wh"),
    [({"decision": "last_reading"}, 2500), ({"decision": "given_reading", "meter_stop_wh": 4200.5}, 3200.5)],
)
def test_a_session_is_ended(
    api: APIClient, path: str, session: Transaction, decision: dict[str, Any], energy_wh: float
) -> None:
    answer = api.post(path, {**decision, **WHY})
    session.refresh_from_db()

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["reasons"]) == ("ended", [])
    assert answer.json()["decisions"][0]["decision"] == decision["decision"]
    assert (session.status, session.energy_wh) == ("ended", Decimal(str(energy_wh)))
    assert api.post(path, {**decision, **WHY}).status_code == 409
    assert AuditEntry.objects.filter(action="transaction.closed", object_id=str(session.pk)).count() == 1


def test_a_session_waits(api: APIClient, path: str, session: Transaction) -> None:
    answer = api.post(path, {"decision": "wait", "hours": 72, **WHY})
    session.refresh_from_db()

    assert (answer.status_code, session.status) == (200, "active")
    assert answer.json()["waits_until"] is not None
    assert results(api.get("/api/v1/transactions/", {"needs_repair": "true"})) == []


def test_a_stop_that_fits_is_joined(api: APIClient, path: str, session: Transaction) -> None:
    at = session.started_at + timedelta(hours=3)
    stop = OrphanStop.objects.create(
        station=session.station, number=-1, meter_stop_wh=5000, occurred_at=at, received_at=at
    )
    offered = api.get(path).json()["stops"]
    answer = api.post(path, {"decision": "joined_stop", "stop": offered[0]["id"], **WHY})
    session.refresh_from_db()

    assert [one["id"] for one in offered] == [str(stop.pk)]
    assert answer.status_code == 200
    assert (session.status, session.energy_wh, session.ended_at) == ("ended", 4000, at)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"decision": "last_reading", "reason": ""}, "/reason"),
        ({"decision": "last_reading"}, "/reason"),
        ({"decision": "given_reading", **WHY}, "/meter_stop_wh"),
        ({"decision": "given_reading", "meter_stop_wh": 999, **WHY}, "/meter_stop_wh"),
        ({"decision": "given_reading", "meter_stop_wh": "much", **WHY}, "/meter_stop_wh"),
        ({"decision": "wait", "hours": 0, **WHY}, "/hours"),
        ({"decision": "wait", "hours": 721, **WHY}, "/hours"),
        ({"decision": "forget", **WHY}, "/decision"),
        ({"decision": "wait", "until": "tomorrow", **WHY}, "/until"),
    ],
)
def test_a_wrong_field_is_named(
    api: APIClient, path: str, session: Transaction, body: dict[str, Any], pointer: str
) -> None:
    answer = api.post(path, body)
    session.refresh_from_db()

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert session.status == "active"


def test_a_stop_of_elsewhere_is_not_joined(
    api: APIClient, path: str, session: Transaction, charlie: Actor
) -> None:
    other, _ = factories.make_station(charlie)
    now = clock.now()
    foreign = OrphanStop.objects.create(
        station=other, number=-1, meter_stop_wh=5000, occurred_at=now, received_at=now
    )
    answer = api.post(path, {"decision": "joined_stop", "stop": str(foreign.pk), **WHY})
    session.refresh_from_db()

    assert (answer.status_code, session.status) == (404, "active")


def test_a_stranger_sees_and_decides_nothing(stranger: APIClient, path: str, session: Transaction) -> None:
    assert stranger.get(path).status_code == 404
    assert stranger.post(path, {"decision": "last_reading", **WHY}).status_code == 404
    assert results(stranger.get("/api/v1/transactions/", {"needs_repair": "true"})) == []
    assert not SessionDecision.objects.filter(transaction=session).exists()


def test_deciding_needs_its_scope(
    api_with: Callable[..., APIClient], path: str, session: Transaction
) -> None:
    reader = api_with("transactions:read")

    assert reader.get(path).status_code == 200
    assert reader.post(path, {"decision": "last_reading", **WHY}).status_code == 403
    assert api_with("transactions:write").post(path, {"decision": "last_reading", **WHY}).status_code == 200


def test_the_state_of_a_session_is_asked_for(api: APIClient, session: Transaction) -> None:
    Transaction.objects.filter(pk=session.pk).update(number=None)
    url = f"/api/v1/stations/{session.station_id}/commands/"
    one = api.post(url, {"command": "get_transaction_status", "transaction": str(session.pk)})
    every = api.post(url, {"command": "get_transaction_status"})
    unknown = api.post(url, {"command": "get_transaction_status", "transaction": str(session.station_id)})

    assert one.json()["parameters"] == {"transaction": str(session.pk), "reference": "4711"}
    assert every.json()["parameters"] == {"reference": ""}
    assert [answer.status_code for answer in (one, every, unknown)] == [202, 202, 404]
