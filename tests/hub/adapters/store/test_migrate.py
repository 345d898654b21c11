from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text

from perijove.hub.adapters.store.migrate import HEAD, known_revisions, revision, upgrade
from perijove.hub.adapters.store.tables import metadata
from perijove.hub.core.errors import Code, PerijoveError


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=NullPool)
    with engine.connect() as opened:
        yield opened


def schema(connection: Connection) -> dict[str, str]:
    """What SQLite was told to create, by name, in one spelling."""
    rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
    connection.rollback()
    return {name: "".join(sorted(re.sub(r'[\s"]+', "", sql))) for name, sql in rows}


def test_the_migrations_make_the_tables(connection: Connection) -> None:
    assert upgrade(connection)
    assert not connection.in_transaction()
    assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrated = schema(connection)
    del migrated["alembic_version"]
    with create_engine("sqlite://", poolclass=NullPool).connect() as fresh:
        metadata.create_all(fresh)
        assert migrated == schema(fresh)


def test_a_current_database_is_left_alone(connection: Connection) -> None:
    upgrade(connection)
    before = connection.scalar(text("PRAGMA schema_version"))
    connection.rollback()
    assert not upgrade(connection)
    assert connection.scalar(text("PRAGMA schema_version")) == before


def test_the_known_revisions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", "perijove.hub.adapters.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    assert known_revisions() == {script.revision for script in scripts.walk_revisions()}


def test_an_empty_database_has_no_revision(connection: Connection) -> None:
    assert revision(connection) is None


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (["UPDATE alembic_version SET version_num = '9999'"], "later version of Perijove"),
        (["DELETE FROM alembic_version"], "later version of Perijove"),
        (["CREATE TABLE spawners (id INTEGER)"], "JupyterHub"),
        (["DROP TABLE alembic_version"], "another program"),
    ],
)
def test_a_database_that_is_not_ours_is_refused(connection: Connection, statements: list[str], says: str) -> None:
    upgrade(connection)
    for statement in statements:
        connection.execute(text(statement))
    connection.commit()
    with pytest.raises(PerijoveError, match=says) as caught:
        upgrade(connection)
    assert caught.value.code is Code.CONFLICT
    assert "db_url" in caught.value.message
