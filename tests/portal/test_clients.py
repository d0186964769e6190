"""Clients that are made from the schema, tried against a portal of their own: what `make clients` does."""

import subprocess
import sys

import pytest

from tests.portal.up import plain_environment
from tests.running import ROOT

SECONDS = 600


@pytest.mark.timeout(SECONDS + 20)
def test_clients_in_python_and_typescript_are_made_from_the_schema_and_work() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "clients" / "run.py")],
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    worked = [
        line.partition(":")[0] for line in done.stdout.splitlines() if line.endswith("planned and cancelled")
    ]
    assert worked == ["python", "typescript"]
