"""What belongs to a row, read along with it: one statement then tells all of it, as of one moment.

It comes as one text, a JSON array with an array for each row. JSON knows fewer types than a column can have: times are
texts in it, and SQLite has numbers for yes and no.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ColumnElement, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from perijove.hub.adapters.store.tables import UTCTime


class _Rows(FunctionElement[str]):
    """All rows of some expressions, in any order; NULL if there are none."""

    type = Text()
    inherit_cache = True


@compiles(_Rows, "sqlite")
def _rows_sqlite(element: _Rows, compiler: SQLCompiler, **options: Any) -> str:
    values = ", ".join(_in_json(value.type, compiler.process(value, **options)) for value in element.clauses)
    return f"NULLIF(json_group_array(json_array({values})), '[]')"


def _in_json(kind: TypeEngine[Any], text: str) -> str:
    # SQLite has texts for both; its times lack the zone.
    if isinstance(kind, JSON):
        return f"json({text})"
    return f"{text} || '+00:00'" if isinstance(kind, UTCTime) else text


@compiles(_Rows, "postgresql")
def _rows_postgresql(element: _Rows, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(json_agg(json_build_array({compiler.process(element.clauses, **options)})) AS TEXT)"


def nested(columns: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
    """Return the expression that gathers the rows of *columns*, for `reader` to read."""
    return _Rows(*columns)


def reader(columns: Sequence[ColumnElement[Any]]) -> Callable[[str | None], Sequence[Sequence[Any]]]:
    """Return what reads the rows that `nested` gathered of *columns*, with the values that SQLAlchemy gives."""
    found = [_value_reader(column) for column in columns]
    places = [(place, value_reader) for place, value_reader in enumerate(found) if value_reader is not None]

    def rows(stored: str | None) -> Sequence[Sequence[Any]]:
        gathered: list[list[Any]] = json.loads(stored) if stored else []
        for row in gathered:
            for place, value_reader in places:
                if row[place] is not None:
                    row[place] = value_reader(row[place])
        return gathered

    return rows


def _value_reader(column: ColumnElement[Any]) -> Callable[[Any], Any] | None:
    if isinstance(column.type, UTCTime):
        return datetime.fromisoformat
    return bool if isinstance(column.type, Boolean) else None
