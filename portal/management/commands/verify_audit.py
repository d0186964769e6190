"""`manage.py verify_audit [--known NUMBER:DIGEST]`: is the audit what was written?"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from core.models import AuditSeal
from core.services import audit_chain

MOST = 20


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
        audit_chain.extend()
        found = list(audit_chain.faults(known))
        for fault in found[:MOST]:
            self.stdout.write(fault)
        if len(found) > MOST:
            self.stdout.write(f"… and {len(found) - MOST} more.")
        end = audit_chain.last()
        self.stdout.write(f"{AuditSeal.objects.count()} entries checked, {len(found)} findings.")
        self.stdout.write(f"Last link, to be noted outside the database: {end or 'none yet'}")
        if found:
            sys.exit(1)
