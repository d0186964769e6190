"""Clients for Python and TypeScript are made from the schema, compile without a hole and reach a running portal."""

import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.timeout(900)
def test_clients_are_made_from_the_schema_and_work() -> None:
    script = settings.BASE_DIR / "scripts" / "clients" / "run.py"

    made = subprocess.run(
        [sys.executable, str(script)], cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=800
    )

    assert made.returncode == 0, made.stdout + made.stderr
