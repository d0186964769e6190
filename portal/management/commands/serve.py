"""Serves pages, API and chargers from one process."""

import asyncio
import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from portal import server  # isort: skip  # its reactor comes first

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core import memory
from portal import figures, health

LAST_WRITES_S = 3.0
TURN_S = (
    0.0005  # a page or an export on its thread makes a charger wait for so long, not for Python's usual 5 ms
)
LONGEST_NAME = 64
"""Of a gateway, as presences keep it."""


class Command(BaseCommand):
    help = "Serve pages, API and the chargers' door. SIGTERM drains; a second one ends at once."
    requires_system_checks: Sequence[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument("--port", type=int, help="TCP port (default 8000, none with --uds)")
        parser.add_argument("--uds", default="", metavar="PATH", help="UNIX socket to listen on, mode 0660")
        parser.add_argument("--reuse-port", action="store_true", help="share the port with other processes")
        parser.add_argument("--gateway-id", default="", help="name of this process, unique in the deployment")
        parser.add_argument("--data-dir", default="", help="data directory (default var)")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["gateway_id"] or os.environ.get("GATEWAY_ID", "")
        if len(name) > LONGEST_NAME:
            raise CommandError(
                f"The name of this process (--gateway-id, GATEWAY_ID) has {len(name)} characters; "
                f"choose one of at most {LONGEST_NAME}."
            )
        if name:
            os.environ["GATEWAY_ID"] = name
        port = options["port"] if options["port"] is not None or options["uds"] else 8000
        try:
            if options["reuse_port"]:
                figures.share(settings.DATA_DIR / "figures", name or str(os.getpid()))
            serve(host=options["host"], port=port, unix_path=options["uds"], reuse_port=options["reuse_port"])
        except server.CannotListen as error:
            raise CommandError(str(error)) from error
        figures.stop_sharing()
        sys.stdout.flush()


def serve(**listening: Any) -> None:
    """The portal's application with the limits of the settings, until a signal."""
    from portal.asgi import application
    from stations.ocpp import gateway, ingest, schemas

    def ready(addresses: Sequence[str]) -> None:
        gateway.current().start()

    def drain() -> None:
        health.draining.set()
        gateway.current().drain()

    async def end() -> None:
        await asyncio.gather(
            gateway.current().stop(), asyncio.to_thread(ingest.current().stop, LAST_WRITES_S)
        )

    schemas.load()
    memory.settle()
    sys.setswitchinterval(TURN_S)
    server.run(
        application,
        **listening,
        on_ready=ready,
        on_drain=drain,
        on_exit=end,
        edge_secret=settings.OCPP_TRUSTED_PROXY_SECRET,
        message_bytes=settings.OCPP_MAX_MESSAGE_BYTES,
        sockets_per_address=settings.OCPP_SOCKETS_PER_ADDRESS,
        drain_spread_s=settings.OCPP_DRAIN_SPREAD,
    )
