"""`manage.py backup FILE` for `manage.py help`; manage.py itself hands over before settings are read."""

import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from portal.supervisor import backup


class Command(BaseCommand):
    help = backup.DESCRIPTIONS["backup"]
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        backup.add_arguments(parser)

    def handle(self, *_: object, **__: object) -> None:
        sys.exit(backup.main("backup", sys.argv[2:]))
