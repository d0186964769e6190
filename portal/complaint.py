"""What a person at the command line reads where the deployment is at fault: one line, not a traceback."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connections


def in_one_line(fault: Exception) -> str | None:
    """The line, or None where the fault is the program's own and its traceback is wanted."""
    if isinstance(fault, ImproperlyConfigured):
        return str(fault)
    if isinstance(fault, OperationalError):
        cause = (str(fault).strip().splitlines() or ["no answer"])[0].rstrip(".")
        return (
            f"The database does not serve: {cause}. "
            "Start `manage.py up` on this data directory, or give the address of a running one in DATABASE_URL."
        )
    return None


def let_go() -> None:
    """End the pools of connections, whose threads would go on trying, and log it below the line."""
    for connection in connections.all(initialized_only=True) if settings.configured else ():
        if hasattr(connection, "close_pool"):
            connection.close_pool()
