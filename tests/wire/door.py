"""The door without its server: a session of a real station on this process's threads and group commit."""

import asyncio
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

from core.access import Actor
from stations.domain import intents
from stations.domain.words import Registration, Version
from stations.models import ChargingStation, Command
from stations.ocpp.context import Json, Socket
from stations.ocpp.delivery import Deliveries
from stations.ocpp.ingest import Ingest
from stations.ocpp.pool import Pool
from stations.ocpp.session import Session
from stations.ocpp.tables import tables_of
from stations.services import commands

PATIENCE_S = 30.0
GATEWAY = "without-a-server"
"""Its stations are freed by whatever sweeps, unless it says in time that it lives."""
ROOT = Path(__file__).resolve().parent.parent.parent


class Troubles(logging.Handler):
    """What was logged as an error, or with a trace; of the trace what is ours and how it ended."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.ERROR and not record.exc_info:
            return
        ended, steps = "", list[str]()
        if record.exc_info and (error := record.exc_info[1]):
            ended = repr(error)[:300]
            steps = [f"{step.filename}:{step.lineno}" for step in traceback.extract_tb(error.__traceback__)]
        ours = [step.removeprefix(f"{ROOT}/") for step in steps if step.startswith(f"{ROOT}/stations/")]
        self.found.append(f"{record.getMessage()} {getattr(record, 'action', '')} {ended} {ours[-4:]}")


@contextmanager
def watched() -> Iterator[list[str]]:
    """The errors that are logged meanwhile."""
    troubles = Troubles()
    logging.getLogger().addHandler(troubles)
    try:
        yield troubles.found
    finally:
        logging.getLogger().removeHandler(troubles)


class Door:
    """One socket. ``said`` is what the session has said since :meth:`hear` was last called."""

    def __init__(
        self,
        station: ChargingStation,
        version: Version,
        ingest: Ingest,
        pool: Pool,
        *,
        lenient: bool = False,
        registration: Registration = Registration.ACCEPTED,
    ) -> None:
        self.socket = Socket(
            station_id=station.pk,
            organization_id=station.organization_id,
            site_id=station.site_id,
            identity=station.identity,
            version=version,
            epoch=1,
            gateway=GATEWAY,
            lenient=lenient,
            tolerances=frozenset({"integer_ids"} if lenient else ()),
            registration=registration,
        )
        self.said: list[str] = []
        self._spoke = asyncio.Event()
        self._pool = pool
        self._station = station
        self.session = Session(self.socket, self._say, ingest, pool)
        self.deliveries = Deliveries(self.socket, self.session.calls, tables_of(version))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.session.close()

    def _say(self, text: str) -> None:
        self.said.append(text)
        self._spoke.set()

    async def hear(self, *texts: str) -> list[Any]:
        """Say these one behind the other, wait until all is answered, and return what was said back."""
        for text in texts:
            self.session.receive(text)
        async with asyncio.timeout(PATIENCE_S):
            await self.session.settled(lambda: self.session.idle)
        said = [json.loads(text) for text in self.said]
        self.said.clear()
        return said

    async def ask(
        self, action: str, payload: Json, by: Actor, answers: Callable[[str], list[str]]
    ) -> tuple[Command, list[Any]]:
        """Send a command and give the session answers to the call's id, until the command is done with.

        Returns the command and what was said beside the call. Raises what its delivery raises.
        """
        intent = intents.Call(action=action, payload=payload)
        command = await self._pool.perform(partial(commands.issue, self._station, intent, by=by))
        self._spoke.clear()
        before = asyncio.all_tasks()
        self.deliveries.deliver(command.pk)
        (delivering,) = asyncio.all_tasks() - before
        delivering.add_done_callback(lambda _done: self._spoke.set())
        await self._spoke.wait()
        said = await self.hear(*answers(json.loads(self.said.pop())[1])) if self.said else []
        await delivering
        await self._pool.perform(command.refresh_from_db)
        return command, said + await self.hear()
