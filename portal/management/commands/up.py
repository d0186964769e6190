"""`manage.py up` for `manage.py help`; manage.py itself hands over before settings are read."""

import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from portal import supervisor
from portal.supervisor import options


class Command(BaseCommand):
    help = "Run the portal with everything it needs: database, Valkey, server, worker and beat."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        options.add_arguments(parser)

    def handle(self, *_: object, **__: object) -> None:
        sys.exit(supervisor.main(sys.argv[2:]))
