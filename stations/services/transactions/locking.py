"""How writes of transactions stay free of deadlocks (M-04).

What is scarce: the rows of an EVSE and of its transactions. Rows are locked in one order: EVSE, transaction
(by id where several), event. The group commit keeps to the same order. What is lost to a deadlock or a
serialization failure all the same is done again, here, at most five times.
"""

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import psycopg.errors
from django.conf import settings
from django.db import OperationalError, connection
from django.db.transaction import atomic

from stations.domain.station import StationSide
from stations.models import ChargingStation, Connector, Evse
from stations.services import plugs
from stations.services.stations import make_code

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

ATTEMPTS = 5
LONGEST_WAIT_S = 0.05
PARTS_OF_DEADLINE = 4
EVSES_PER_STATION = 64
_TO_REPEAT = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


def in_one_piece(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run in one database transaction, again after a deadlock, waiting for locks for a bounded time.

    Inside an outer transaction both are left to that one: a batch of many stations waits for less.
    """

    @wraps(work)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        is_inner = connection.in_atomic_block
        attempts = 1 if is_inner else ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                with atomic():
                    if not is_inner:
                        _bound_waiting()
                    return work(*args, **kwargs)
            except OperationalError as error:
                if attempt == attempts or not isinstance(error.__cause__, _TO_REPEAT):
                    raise
            time.sleep(random.uniform(0, LONGEST_WAIT_S * attempt))
        raise AssertionError("the last attempt returns or raises")

    return run


def _bound_waiting() -> None:
    """Until the end of this database transaction, also for the lock of a token."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET LOCAL lock_timeout = {settings.OCPP_HANDLER_DEADLINE * 1000 // PARTS_OF_DEADLINE}"
        )


def lock_evse(station: StationSide, evse_id: int | None, connector_id: int | None = None) -> Evse | None:
    """The EVSE of that number, locked; made when it was not seen before, within the limit (P192).

    ``None`` for the station itself (0), for no number and beyond the limit.
    """
    if evse_id is None or not 0 < evse_id <= 100_000:
        return None
    found = _locked(station, evse_id)
    if found is None and Evse.objects.filter(station_id=station.station_id).count() < EVSES_PER_STATION:
        _make_evse(station, evse_id, connector_id)
        found = _locked(station, evse_id)
    return found


def _locked(station: StationSide, evse_id: int) -> Evse | None:
    rows = Evse.objects.select_for_update(no_key=True)
    return rows.filter(station_id=station.station_id, evse_id=evse_id).first()


def _make_evse(station: StationSide, evse_id: int, connector_id: int | None) -> None:
    row = Evse(station=ChargingStation(pk=station.station_id), evse_id=evse_id, code=make_code())
    Evse.objects.bulk_create([row], ignore_conflicts=True)
    evse = Evse.objects.get(station_id=station.station_id, evse_id=evse_id)
    number = connector_id or 1
    plug = plugs.known([station.station_id]).get((station.station_id, evse_id, number), "")
    connector = Connector(evse=evse, connector_id=number, type=plug)
    Connector.objects.bulk_create([connector], ignore_conflicts=True)
