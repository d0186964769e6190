"""Prepared statements on Django's own connection, for the few steps that somebody waits for.

Each is one round trip and, outside of a transaction, its own commit. The ORM costs a multiple of what these
statements cost the database, and without preparation the database plans each of them anew.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import AutoField, Field, Model

Parameters = Mapping[str, Any] | Sequence[Any]
Row = tuple[Any, ...]
Fields = list["Field[Any, Any]"]
Thing = TypeVar("Thing", bound=Model)


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
    sql, fields = _selection(type(thing))
    row = execute(sql, [thing.pk])
    if row is None:
        raise ObjectDoesNotExist(f"{thing._meta.label} {thing.pk} is gone.")
    for field, value in zip(fields, _converted(fields, row), strict=True):
        setattr(thing, field.attname, value)


def first(
    model: type[Thing], condition: str, parameters: Parameters, *, with_: tuple[str, ...] = ()
) -> Thing | None:
    """The first object that SQL's ``condition`` fits, with those that its foreign keys ``with_`` name.

    The object's table is called ``it`` there; an order may follow the condition.
    """
    sql, parts = _joining(model, with_)
    row = execute(f"{sql} WHERE {condition} LIMIT 1", parameters)
    if row is None:
        return None
    thing, place = _read(model, parts[0][1], row), len(parts[0][1])
    for key, fields in parts[1:]:
        values = row[place : (place := place + len(fields))]
        key.set_cached_value(thing, _read(key.related_model, fields, values) if any(values) else None)
    return thing


def let_go() -> None:
    """Give the thread's connection back to the pool, for a wait; within a transaction it stays."""
    here = connections[DEFAULT_DB_ALIAS]
    if not here.in_atomic_block:
        here.close()


def _has_rows(cursor: psycopg.Cursor[Row]) -> bool:
    """Like ``cursor.description``, which makes an object of every column."""
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0


def _read(model: type[Thing], fields: Fields, row: Row) -> Thing:
    return model.from_db(DEFAULT_DB_ALIAS, [field.attname for field in fields], _converted(fields, row))


def _converted(fields: Fields, row: Row) -> list[Any]:
    here = connections[DEFAULT_DB_ALIAS]
    return [
        convert(value, None, here) if (convert := getattr(field, "from_db_value", None)) else value
        for field, value in zip(fields, row, strict=False)
    ]


@lru_cache
def _joining(model: type[Model], keys: tuple[str, ...]) -> tuple[str, list[tuple[Any, Fields]]]:
    """What to select, and of each object in a row the key that leads to it and its fields."""
    fields = list(model._meta.concrete_fields)
    parts: list[tuple[Any, Fields]] = [(None, fields)]
    names = [f'it."{field.column}"' for field in fields]
    tables = f'"{model._meta.db_table}" it'
    foreign: list[Any] = [model._meta.get_field(name) for name in keys]
    for key in foreign:
        there = key.related_model._meta
        fields = list(there.concrete_fields)
        parts.append((key, fields))
        names += [f'"{key.name}"."{field.column}"' for field in fields]
        tables += f' LEFT JOIN "{there.db_table}" "{key.name}"'
        tables += f' ON "{key.name}"."{there.pk.column}" = it."{key.column}"'
    return f"SELECT {', '.join(names)} FROM {tables}", parts


@lru_cache
def _insertion(models: tuple[type[Model], ...]) -> tuple[str, list[Fields]]:
    columns = [_written(model) for model in models]
    *first, last = [_insert(model, fields) for model, fields in zip(models, columns, strict=True)]
    parts = ", ".join(f"part_{number} AS ({statement})" for number, statement in enumerate(first))
    return f"WITH {parts} {last}" if parts else last, columns


def _written(model: type[Model]) -> Fields:
    return [
        field
        for field in model._meta.concrete_fields
        if not isinstance(field, AutoField) and not field.has_db_default()
    ]


def _insert(model: type[Model], fields: Sequence["Field[Any, Any]"]) -> str:
    names = ", ".join(f'"{field.column}"' for field in fields)
    return f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({", ".join(["%s"] * len(fields))})'


@lru_cache
def _selection(model: type[Model]) -> tuple[str, Fields]:
    fields = list(model._meta.concrete_fields)
    names = ", ".join(f'"{field.column}"' for field in fields)
    key = model._meta.pk.column
    return f'SELECT {names} FROM "{model._meta.db_table}" WHERE "{key}" = %s', fields
