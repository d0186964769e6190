"""`manage.py up`: the whole portal as children of one small process that knows no Django."""

from portal.supervisor.command import main

__all__ = ["main"]
