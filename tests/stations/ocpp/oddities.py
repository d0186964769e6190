"""Handlers that misbehave on request, for a server of their own: DataTransfer on 1.6 does what its vendor says."""

import time
from datetime import datetime
from types import SimpleNamespace

import orjson
from django.apps import AppConfig

from stations.domain.words import Version
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Decided


class Oddities(AppConfig):
    name = "tests.stations.ocpp"
    label = "oddities"

    def ready(self) -> None:
        from stations.ocpp import tables, v16

        odd = SimpleNamespace(**vars(v16))
        odd.ROUTES = {**v16.ROUTES, "DataTransfer": Decided(_odd)}
        tables.MODULES = {**tables.MODULES, Version.V16: odd}


def _odd(socket: Socket, payload: Json, received_at: datetime) -> Json:
    data = payload.get("data", "")
    if payload["vendorId"] == "sleep":
        time.sleep(float(data))
    elif payload["vendorId"] == "raise":
        raise RuntimeError(f"SELECT secret FROM {data}")
    elif payload["vendorId"] == "ask":
        assert socket.ask is not None
        return {"status": "Accepted", "data": orjson.dumps(socket.ask("GetLocalListVersion", {})).decode()}
    elif payload["vendorId"] == "nonsense":
        return {"nonsense": data}
    return {"status": "Accepted"}
