"""How long a batch waits for rows that somebody else holds, and that nobody else inherits it (P063)."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from stations.domain.events import TransactionEventReported
from stations.models import ChargingStation
from stations.services import transactions
from stations.services.batches import Blocked, Writer
from stations.services.batches.items import Log
from tests import factories
from tests.factories.sessions import side_of
from tests.stations.ocpp.test_ingest import event_of, item_of, readings, speaking

pytestmark = pytest.mark.usefixtures("committed")
PATIENCE_S = 0.2
EVSE = {"id": 1, "connectorId": 1}


@contextmanager
def holding(station: ChargingStation) -> Iterator[None]:
    """Another connection has the rows of the station's sessions."""
    known = connections["default"].get_connection_params()
    wanted = {name: known[name] for name in ("dbname", "user", "password", "host", "port") if name in known}
    with psycopg.connect(**wanted) as holder:
        holder.execute("SELECT 1 FROM stations_transaction WHERE station_id = %s FOR UPDATE", [station.pk])
        yield
        holder.rollback()


@pytest.mark.parametrize(
    "event", [event_of(1, "Updated", None), event_of(2, "Updated", {"id": 2})], ids=["repeated", "odd"]
)
def test_p063_an_event_off_the_plain_way_holds_its_batch_no_longer_than_the_batch_waits(
    event: TransactionEventReported,
) -> None:
    owner = factories.make_actor(factories.make_organization())
    (station, _), (other, _) = factories.make_station(owner), factories.make_station(owner)
    side, me = side_of(station), speaking(side_of(station))
    transactions.apply_event(side, event_of(0, "Started", EVSE))
    first = replace(item_of(station, [event_of(1, "Updated", None)], []), station=me)
    assert Writer(patience_s=PATIENCE_S).store([first], Log()).errors == [None]

    items = [item_of(other, readings("1"), []), replace(item_of(station, [event], []), station=me)]
    waited: list[str] = []
    with holding(station), connection.execute_wrapper(waits_told_to(waited)):
        bystander, blocked = Writer(patience_s=PATIENCE_S).store(items, Log()).errors

    assert bystander is None
    assert isinstance(blocked, Blocked)
    assert not [sql for sql in waited if "lock_timeout" in sql]


def waits_told_to(found: list[str]) -> Callable[..., Any]:
    """Notes what Django's cursors execute; a batch says its own patience past them."""

    def wrapper(execute: Callable[..., Any], *statement: Any) -> Any:
        found.append(str(statement[0]))
        return execute(*statement)

    return wrapper


def test_nobody_inherits_the_patience_of_a_batch_with_its_connection() -> None:
    def write() -> None:
        writer = Writer(patience_s=PATIENCE_S)
        writer.store([], Log(refusals={uuid.uuid4(): 1}))
        writer.close()

    seen: Sequence[list[tuple[str, ...]]] = [[] for _ in range(4)]
    all_there = threading.Barrier(len(seen), timeout=10)

    def look(found: list[tuple[str, ...]]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout'), current_setting('plan_cache_mode')")
            found.append(cursor.fetchone())
        all_there.wait()
        connection.close()

    threads = [threading.Thread(target=write), *(threading.Thread(target=look, args=(one,)) for one in seen)]
    threads[0].start()
    threads[0].join()
    for thread in threads[1:]:
        thread.start()
    for thread in threads[1:]:
        thread.join()

    assert {row for found in seen for row in found} == {("0", "auto")}
