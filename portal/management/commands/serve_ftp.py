"""Takes logs from stations that upload by FTP only."""

import signal
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import ftp


class Command(BaseCommand):
    help = "Take logs by FTP, one file for each request that named an account (FTP_PORT). SIGTERM ends it."
    requires_system_checks: Sequence[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument("--port", type=int, default=None, help="port to listen on (default FTP_PORT)")
        parser.add_argument("--data-dir", default="", help="data directory (default var)")

    def handle(self, *args: Any, **options: Any) -> None:
        port = settings.FTP_PORT if options["port"] is None else options["port"]
        if not 1 <= port <= 65535:
            raise CommandError("FTP is switched off: set FTP_PORT, which addresses for stations name too.")
        listening = ftp.Listening(
            host=options["host"],
            port=port,
            passive_ports=settings.FTP_PASSIVE_PORTS,
            passive_address=settings.FTP_PASSIVE_ADDRESS,
            certificate=settings.FTP_CERTIFICATE,
            key=settings.FTP_KEY,
            connections=settings.FTP_CONNECTIONS,
            connections_per_address=settings.FTP_CONNECTIONS_PER_ADDRESS,
            idle_s=settings.FTP_IDLE_SECONDS,
        )
        try:
            server = ftp.make(listening)
        except ftp.CannotServe as error:
            raise CommandError(str(error)) from error
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        server.serve_forever()
