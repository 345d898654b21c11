"""What SQLite and PostgreSQL spell differently."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    Select,
    Subquery,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    cast,
    column,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

MAX_ID: Final = 2**63 - 1
"""The largest number that the database can be asked about."""


class _Elements(FunctionElement[Any]):
    """The elements of a JSON array, as rows with the column ``value``."""

    inherit_cache = True


@compiles(_Elements, "sqlite")
def _elements_sqlite(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Elements, "postgresql")
def _elements_postgresql(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **options)} AS JSON))"


class _Fields(FunctionElement[Any]):
    """The fields of a JSON object, as rows with the columns ``key`` and ``value``."""

    inherit_cache = True


@compiles(_Fields, "sqlite")
def _fields_sqlite(element: _Fields, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Fields, "postgresql")
def _fields_postgresql(element: _Fields, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each_text(CAST({compiler.process(element.clauses, **options)} AS JSON))"


class _moment(FunctionElement[datetime]):  # noqa: N801 - reads as a function
    """A text of `moments`, as a column of times has it."""

    inherit_cache = True


@compiles(_moment, "sqlite")
def _moment_sqlite(element: _moment, compiler: SQLCompiler, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(_moment, "postgresql")
def _moment_postgresql(element: _moment, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS TIMESTAMP WITH TIME ZONE)"


class Names(TypeDecorator[tuple[str, ...]]):
    """The text of a JSON array of texts, read as a sorted tuple; NULL is none of them."""

    impl = Text
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], tuple[str, ...]]:
        """Return what reads a value."""
        return _names


@lru_cache(maxsize=1024)  # most people have the groups and roles that others have as well
def _names(stored: str | None) -> tuple[str, ...]:
    return tuple(sorted(json.loads(stored))) if stored else ()


class collected(FunctionElement[Any]):  # noqa: N801 - reads as a function
    """All values of an expression, sorted."""

    type = Names()
    inherit_cache = True


@compiles(collected, "sqlite")
def _collected_sqlite(element: collected, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **options)})"


@compiles(collected, "postgresql")
def _collected_postgresql(element: collected, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(json_agg({compiler.process(element.clauses, **options)}) AS TEXT)"


class position(FunctionElement[int]):  # noqa: N801 - reads as a function
    """At which character a text holds another one, from 1; 0 if it does not."""

    type = Integer()
    inherit_cache = True


@compiles(position, "sqlite")
def _position_sqlite(element: position, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(position, "postgresql")
def _position_postgresql(element: position, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


def listed(values: Iterable[object], like: ColumnElement[Any]) -> Select[Any]:
    """Return a query whose rows are *values*: a single parameter, however many they are.

    Args:
        values: texts, or numbers (those that no row can have are left out).
        like: a column of the same type.
    """
    known = [value for value in values if not isinstance(value, int) or abs(value) <= MAX_ID]
    return _rows_of(literal(known, JSON), like)


def _rows_of(array: ColumnElement[Any], like: ColumnElement[Any]) -> Select[Any]:
    kind = BigInteger if isinstance(like.type, Integer) else Text
    rows = _Elements(array).table_valued(column("value", kind))
    return select(cast(rows.c.value, kind))


def moments(times: Mapping[int, datetime]) -> Subquery:
    """Return a table with the columns ``id`` and ``at`` that holds *times*: a single parameter, however many they are.

    Raises:
        ValueError: a time has no time zone.
    """
    if any(at.utcoffset() is None for at in times.values()):
        raise ValueError("a time without time zone cannot be stored")
    # In the form that SQLAlchemy gives times on SQLite, which compares them as texts.
    texts = {str(row): f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" for row, at in times.items() if row <= MAX_ID}
    rows = _Fields(literal(texts, JSON)).table_valued(column("key", Text), column("value", Text))
    return select(cast(rows.c.key, BigInteger).label("id"), _moment(rows.c.value).label("at")).subquery()


def within(column: ColumnElement[Any], values: Iterable[object]) -> ColumnElement[bool]:
    """Return the condition that *column* is one of *values*: a single parameter, however many they are."""
    return column.in_(listed(values, column))


def within_given(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that *column* is in the list that the statement is given as its parameter *name*."""
    return column.in_(_rows_of(bindparam(name, type_=JSON), column))


def upsert(connection: Connection, table: Table) -> sqlite.Insert:
    """Return an INSERT to which ``on_conflict_do_nothing`` or ``on_conflict_do_update`` can be added."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # which takes long, for nothing on SQLite

        # Another class with the same methods.
        return postgresql.insert(table)  # type: ignore[return-value]
    return sqlite.insert(table)


def insert_each(
    connection: Connection, each: Column[Any], values: Iterable[object], others: Mapping[Column[Any], object]
) -> sqlite.Insert:
    """Return an `upsert` of one row for each of *values*: a single statement, however many they are.

    Args:
        connection: for which database.
        each: the column that takes a value.
        values: texts or numbers.
        others: what the other columns take, the same in every row.
    """
    constants = [literal(value, column.type) for column, value in others.items()]
    # SQLite needs a condition between a query and ON CONFLICT, to tell it from a join.
    rows = listed(values, each).add_columns(*constants).where(text("1 = 1"))
    return upsert(connection, each.table).from_select([each, *others], rows)
