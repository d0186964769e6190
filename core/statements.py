"""Prepared statements on Django's own connection, for the few steps that somebody waits for.

Each is one round trip and, outside of a transaction, its own commit. The ORM costs a multiple of what these
statements cost the database, and without preparation the database plans each of them anew.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import AutoField, Field, Model

Parameters = Mapping[str, Any] | Sequence[Any]
Row = tuple[Any, ...]


def execute(sql: str, parameters: Parameters) -> Row | None:
    """The first row that the statement returns, or ``None``; in the transaction that is open, if one is.

    Types of parameters that PostgreSQL cannot infer have to be written as casts. JSON comes as text.
    """
    here = connections[DEFAULT_DB_ALIAS]
    here.validate_no_broken_transaction()
    if here.queries_logged or here.execute_wrappers:  # whoever looks at statements should see these too
        with here.cursor() as watched:
            watched.execute(sql, parameters)
            return watched.fetchone() if watched.description else None
    here.ensure_connection()
    with here.wrap_database_errors, psycopg.Cursor(here.connection) as cursor:
        cursor.execute(sql, parameters, prepare=settings.DATABASE_PREPARE)
        return cursor.fetchone() if _has_rows(cursor) else None


def insert(*things: Model) -> None:
    """Store new objects by one statement: all of them or none. Keys that the database gives are not read."""
    here = connections[DEFAULT_DB_ALIAS]
    sql, columns = _insertion(tuple(type(thing) for thing in things))
    execute(
        sql,
        [
            field.get_db_prep_save(field.pre_save(thing, True), here)
            for thing, fields in zip(things, columns, strict=True)
            for field in fields
        ],
    )
    for thing in things:
        thing._state.adding, thing._state.db = False, DEFAULT_DB_ALIAS


def refresh(thing: Model) -> None:
    """Read the object's columns again. Raises :class:`ObjectDoesNotExist` where the row is gone."""
    here = connections[DEFAULT_DB_ALIAS]
    sql, fields = _selection(type(thing))
    row = execute(sql, [thing.pk])
    if row is None:
        raise ObjectDoesNotExist(f"{thing._meta.label} {thing.pk} is gone.")
    for field, value in zip(fields, row, strict=True):
        convert = getattr(field, "from_db_value", None)
        setattr(thing, field.attname, convert(value, None, here) if convert else value)


def let_go() -> None:
    """Give the thread's connection back to the pool, for a wait; within a transaction it stays."""
    here = connections[DEFAULT_DB_ALIAS]
    if not here.in_atomic_block:
        here.close()


def _has_rows(cursor: psycopg.Cursor[Row]) -> bool:
    """Like ``cursor.description``, which makes an object of every column."""
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0


@lru_cache
def _insertion(models: tuple[type[Model], ...]) -> tuple[str, list[list["Field[Any, Any]"]]]:
    columns = [_written(model) for model in models]
    *first, last = [_insert(model, fields) for model, fields in zip(models, columns, strict=True)]
    parts = ", ".join(f"part_{number} AS ({statement})" for number, statement in enumerate(first))
    return f"WITH {parts} {last}" if parts else last, columns


def _written(model: type[Model]) -> list["Field[Any, Any]"]:
    return [
        field
        for field in model._meta.concrete_fields
        if not isinstance(field, AutoField) and not field.has_db_default()
    ]


def _insert(model: type[Model], fields: Sequence["Field[Any, Any]"]) -> str:
    names = ", ".join(f'"{field.column}"' for field in fields)
    return f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({", ".join(["%s"] * len(fields))})'


@lru_cache
def _selection(model: type[Model]) -> tuple[str, list["Field[Any, Any]"]]:
    fields = list(model._meta.concrete_fields)
    names = ", ".join(f'"{field.column}"' for field in fields)
    key = model._meta.pk.column
    return f'SELECT {names} FROM "{model._meta.db_table}" WHERE "{key}" = %s', fields
