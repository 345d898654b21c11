"""Rows that are read again and again: taken past SQLAlchemy, and turned into values once as long as they are the same.

Lists of hundreds of users are asked for every few minutes, and most users have not changed in between. What a row is
turned into depends on nothing but the row, so what is kept is never out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Dialect, Select

T = TypeVar("T")
MAX_KEPT: Final = 8192


def rows_of(connection: Connection, statement: Select[Any], given: Mapping[str, object]) -> Sequence[tuple[Any, ...]]:
    """Return the rows of *statement* as the driver gives them."""
    result = connection.execute(statement, given)
    rows: Sequence[tuple[Any, ...]] = result.cursor.fetchall()
    result.close()
    return rows


class KeptRows(Generic[T]):
    """Makes values of rows, and keeps `MAX_KEPT` of them.

    Args:
        dialect: whose rows they are.
        columns: what a row consists of.
        make: makes a value of the columns' values; two who ask for the same row share it, so it must be immutable.
    """

    def __init__(self, dialect: Dialect, columns: Sequence[ColumnElement[Any]], make: Callable[..., T]) -> None:
        found = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._processors = [(place, processor) for place, processor in enumerate(found) if processor is not None]
        self._make = make
        self.kept: Final = lru_cache(maxsize=MAX_KEPT)(self.made)

    def made(self, row: tuple[Any, ...]) -> T:
        """Return a new value made of *row*."""
        values = list(row)
        for place, processor in self._processors:
            values[place] = processor(values[place])
        return self._make(*values)
