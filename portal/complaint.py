"""What a person at the command line reads where the deployment is at fault: one line, not a traceback."""

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError


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
