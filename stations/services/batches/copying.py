"""COPY on the connection that Django has open."""

from collections.abc import Sequence

from django.db import connection


def copy(statement: str, rows: Sequence[str]) -> None:
    """Write rows that are text already. Raises Django's database errors."""
    connection.ensure_connection()
    with (
        connection.wrap_database_errors,
        connection.connection.cursor() as cursor,
        cursor.copy(statement) as out,
    ):
        out.write("".join(rows))
