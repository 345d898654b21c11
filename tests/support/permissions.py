"""The table of who may do what with the API, as tests read it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).parents[1] / "hub/web/permissions.txt"
COLUMNS = ("none", "all", "user", "user'", "group", "group'", "server", "server'", "own", "other", "admin")


@dataclass(frozen=True)
class Row:
    """One line of the table: what becomes of a request to *path* under each of `COLUMNS`, as far as *scope* goes."""

    method: str
    path: str
    scope: str
    expected: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.scope}"

    @property
    def server(self) -> str:
        """The name of the server that a request is about."""
        return "lab" if "{server_name" in self.path else ""

    def gives(self, column: str) -> str:
        """Return what becomes of the request of whom *column* describes: ``yes``, ``403`` or ``404``."""
        return self.expected[COLUMNS.index(column)]


@cache
def rows() -> tuple[Row, ...]:
    """Return the lines of the table."""
    lines = [line.split() for line in TABLE.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return tuple(Row(method, path, scope, tuple(expected)) for method, path, scope, *expected in lines)
