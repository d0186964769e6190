"""`manage.py self_check`: profiles, TLS, secrets and versions; exit code 1 on a finding."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from portal import self_check


class Command(BaseCommand):
    help = "List security profiles in use, TLS state, default secrets and versions; exit code 1 on a finding."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        lines = list(self_check.look())
        for line in lines:
            self.stdout.write(f"{'FINDING' if line.bad else 'ok':<8} {line.topic:<9} {line.text}")
        found = sum(line.bad for line in lines)
        self.stdout.write(f"{found} findings.")
        if found:
            sys.exit(1)
