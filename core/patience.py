"""Nobody waits for a locked row without end (STYLE: every wait has a timeout).

``with patience(seconds):`` bounds how long each writing statement of this thread waits for rows that another
transaction holds. It is told to PostgreSQL inside each transaction, so that it does not outlive one behind a
pooler.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg.errors
from django.db import OperationalError, connection
from django.db.transaction import atomic

from core.errors import Busy

LOCKING = re.compile(
    r"^\s*(INSERT|UPDATE|DELETE|WITH)\b|\bFOR (NO KEY )?(UPDATE|SHARE)\b|\bpg_advisory_xact_lock\b",
    re.IGNORECASE,
)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Statements that wait longer for a lock raise :class:`core.errors.Busy`."""
    limit = max(1, round(seconds * 1000))

    def bounded(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not isinstance(sql, str) or not LOCKING.search(sql):
            return execute(sql, params, many, context)
        with _some_transaction():
            execute(f"SET LOCAL lock_timeout = {limit}", None, False, context)
            try:
                return execute(sql, params, many, context)
            except OperationalError as error:
                if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                    raise Busy from error
                raise

    with connection.execute_wrapper(bounded):
        yield


@contextmanager
def _some_transaction() -> Iterator[None]:
    """The one that runs, else one for the statement alone: outside of any, ``SET LOCAL`` says nothing."""
    if connection.in_atomic_block:
        yield
        return
    with atomic():
        yield
