"""The door for logs of stations that know nothing but FTP: one account for one request, one file (security.md W-19)."""

from portal.ftp.server import CannotServe, Listening, make

__all__ = ["CannotServe", "Listening", "make"]
