"""Early pytest plugin: a real PostgreSQL and Valkey for the run, before Django reads its settings.

Where ``DATABASE_URL`` and ``VALKEY_URL`` are given in the environment they are used instead. With
``-n`` (pytest-xdist) each worker has its own servers; the process that hands out the tests needs none.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from portal.embedded.postgres import EmbeddedPostgres
from portal.embedded.valkey import EmbeddedValkey

RUNNING: list[EmbeddedPostgres | EmbeddedValkey] = []
DIRECTORIES: list[Path] = []


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    hands_out = bool(getattr(early_config.known_args_namespace, "numprocesses", None))
    if hands_out and "PYTEST_XDIST_WORKER" not in os.environ:
        return
    directory = Path(tempfile.mkdtemp(prefix="chargeyard-test-"))
    DIRECTORIES.append(directory)
    os.environ["DATA_DIR"] = str(directory)
    if not os.environ.get("DATABASE_URL"):
        postgres = EmbeddedPostgres(directory, durable=False, max_connections=200)
        postgres.start()
        RUNNING.append(postgres)
        os.environ["DATABASE_URL"] = postgres.url("app")
        os.environ["DATABASE_OWNER_URL"] = postgres.url("owner")
    if not os.environ.get("VALKEY_URL"):
        valkey = EmbeddedValkey(directory, durable=False)
        valkey.start()
        RUNNING.append(valkey)
        os.environ["VALKEY_URL"] = valkey.url()


def pytest_unconfigure() -> None:
    for server in reversed(RUNNING):
        server.stop()
    for directory in DIRECTORIES:
        shutil.rmtree(directory, ignore_errors=True)
