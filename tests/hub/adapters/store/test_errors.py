from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError, StatementError

from perijove.hub.adapters.store.errors import translated
from perijove.hub.core.errors import Code, PerijoveError, invalid


def driver_error(statement: str) -> sqlite3.Error:
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(
            "PRAGMA foreign_keys = ON; CREATE TABLE users (name PRIMARY KEY); INSERT INTO users VALUES ('secret');"
            "CREATE TABLE t (u REFERENCES users, n NOT NULL);"
        )
        with pytest.raises(sqlite3.Error) as caught:
            connection.execute(statement)
    connection.close()
    return caught.value


@pytest.mark.parametrize(
    ("statement", "code", "message"),
    [
        ("INSERT INTO users VALUES ('secret')", Code.CONFLICT, "A user of that name exists already"),
        ("INSERT INTO t VALUES ('secret2', 1)", Code.CONFLICT, "What this belongs to does not exist any more"),
        ("SELECT 'secret' FROM nowhere", Code.UNAVAILABLE, "The database reports an error"),
    ],
)
def test_what_the_driver_reports(statement: str, code: Code, message: str) -> None:
    raw = driver_error(statement)
    for error in (raw, OperationalError(statement, None, raw)):
        meant = translated(error)
        assert isinstance(meant, PerijoveError)
        assert (meant.code, meant.message) == (code, message)
        assert meant.retry_after == (5 if code is Code.UNAVAILABLE else None)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("SQLITE_BUSY", "locked"),
        ("SQLITE_BUSY_SNAPSHOT", "locked"),
        ("SQLITE_FULL", "full"),
        ("SQLITE_CORRUPT_INDEX", "damaged"),
        ("SQLITE_NOTADB", "damaged"),
        ("SQLITE_READONLY_DBMOVED", "written"),
        ("SQLITE_IOERR_FSYNC", "disk"),
        ("SQLITE_CANTOPEN", "opened"),
    ],
)
def test_a_database_that_is_away(name: str, word: str) -> None:
    error = sqlite3.DatabaseError("details")
    error.sqlite_errorname = name
    meant = translated(error)
    assert isinstance(meant, PerijoveError)
    assert meant.code is Code.UNAVAILABLE
    assert word in meant.message
    assert "details" not in meant.message


def test_our_own_errors_come_out_of_their_wrapping() -> None:
    ours = invalid("No JSON")
    assert translated(StatementError("wrapped", "SELECT", None, ours)) is ours


def test_a_mistake_of_ours_stays_one() -> None:
    for error in (KeyError("x"), ProgrammingError("SELECT", None, sqlite3.ProgrammingError("wrong"))):
        assert translated(error) is error


def test_text_that_is_not_unicode() -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        "\ud800".encode()
    meant = translated(caught.value)
    assert isinstance(meant, PerijoveError)
    assert meant.code is Code.INVALID
