"""`manage.py verify_audit [--known NUMBER:DIGEST]`: is the audit what was written?"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from core.services import audit_chain


class Command(BaseCommand):
    help = "Check the chain of hashes over the audit; exit code 1 where an entry was changed, deleted or slipped in."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--known",
            default="",
            metavar="NUMBER:DIGEST",
            help="the last link as an earlier check printed it; it must still be in the chain",
        )

    def handle(self, *_: Any, known: str, **__: Any) -> None:
        result, told = audit_chain.check(known)
        for fault in told:
            self.stdout.write(fault)
        if result.findings > len(told):
            self.stdout.write(f"… and {result.findings - len(told)} more.")
        self.stdout.write(f"{result.links} entries checked, {result.findings} findings.")
        self.stdout.write(f"Last link, to be noted outside the database: {audit_chain.last() or 'none yet'}")
        if told:
            sys.exit(1)
