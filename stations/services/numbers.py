"""Numbers that we give to requests, reservations and profiles; drawn from sequences, so never twice (P219)."""

from django.db import connection


def next_request_id() -> int:
    """A positive 32-bit number for requests and profiles, never given twice (P219)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('stations_request_id_seq')")
        return int(cursor.fetchone()[0])
