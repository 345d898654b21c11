"""Brings a database up to the schema of this version, and keeps its hands off databases that are not ours.

Alembic is loaded only when there is something to do: a hub that starts on a current database asks one question.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from perijove.hub.core.errors import conflict

HEAD: Final = "0007"
"""The newest revision in ``migrations/versions``."""

_VERSION_TABLE: Final = "alembic_version"
_ANOTHER: Final = "write another db_url, for instance sqlite:///perijove.sqlite; it was not changed"


def revision(connection: Connection) -> str | None:
    """Return the revision that the database is at; None if it is empty. Changes nothing.

    Raises:
        PerijoveError: CONFLICT, if the database belongs to another program or to a later version of this one.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return None
    if "spawners" in tables:
        raise conflict(f"The database is one of JupyterHub, which cannot be taken over; {_ANOTHER}")
    if _VERSION_TABLE not in tables or "servers" not in tables:
        raise conflict(f"The database holds tables of another program; {_ANOTHER}")
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if found not in known_revisions():
        raise conflict("The database was made by a later version of Perijove; install that version, or " + _ANOTHER)
    return str(found)


def check_current(connection: Connection) -> None:
    """Return if the database is at this version, for a program that must not change it.

    Raises:
        PerijoveError: CONFLICT, if it is not; see also `revision`.
    """
    if revision(connection) != HEAD:
        raise conflict("The database is of another version; start this version of the hub once")


def known_revisions() -> frozenset[str]:
    """Return the revisions that this version has migrations for, told by the names of their files."""
    folder = Path(__file__).parent / "migrations" / "versions"
    return frozenset(path.name.partition("_")[0] for path in folder.glob("[0-9]*.py"))


def upgrade(connection: Connection) -> bool:
    """Bring the database up to this version, all or nothing; return whether there was anything to do.

    Args:
        connection: to the database, with foreign keys not enforced (a migration may have to make a table anew) and no
            transaction begun; none is left open.

    Raises:
        PerijoveError: CONFLICT, see `revision`.
    """
    with connection.begin():
        if revision(connection) == HEAD:
            return False
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", "perijove.hub.adapters.store:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
        return True
