from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine, text

from perijove.hub.adapters.store.migrate import HEAD, known_revisions, revision, upgrade
from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.adapters.store.tables import metadata
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.core.oauth import OAuthClient
from perijove.hub.core.roles import Role
from perijove.hub.core.services import Service


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


def upgrade_to(connection: Connection, wanted: str) -> None:
    """Bring an empty database up to an earlier revision, as an earlier version would have left it."""
    config = Config()
    config.set_main_option("script_location", "perijove.hub.adapters.store:migrations")
    config.attributes["connection"] = connection
    with connection.begin():
        command.upgrade(config, wanted)


ROWS_OF_0001 = """
INSERT INTO users VALUES (7, 'ada', 1, '2030-01-01 00:00:00.000000', NULL);
INSERT INTO users VALUES (9, 'gone', 0, '2030-01-01 00:00:00.000000', NULL);
DELETE FROM users WHERE id = 9;
INSERT INTO accounts VALUES ('ada', 'hash', 1, '2030-01-01 00:00:00.000000');
INSERT INTO services VALUES (3, 'cull', 0);
INSERT INTO roles VALUES ('r', '["self"]', 'About');
INSERT INTO user_roles VALUES (7, 'r');
INSERT INTO service_roles VALUES (3, 'r');
INSERT INTO servers VALUES (5, 7, 'lab', 'My lab', 'stopped', 'stopped', 2, '', '{}', '{"a": 1}', NULL, NULL, NULL,
 NULL, 4, '', NULL);
INSERT INTO oauth_clients VALUES ('c1', 'hash', '/cb', 'Lab', 5, 'ada/lab', '[]');
INSERT INTO oauth_codes VALUES ('o1', 'c1', 7, 's1', '[]', '/cb', '2030-01-01 00:00:00.000000', '', '');
INSERT INTO tokens VALUES (8, 'hash', 7, NULL, '["self"]', 'n', 'c1', NULL, 5, '2030-01-01 00:00:00.000000', NULL,
 NULL);
"""


async def test_what_the_first_version_stored_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as old:
        upgrade_to(old, "0001")
        for statement in ROWS_OF_0001.strip().split(";\n"):
            old.exec_driver_sql(statement.rstrip(";"))
        old.commit()
    store = await SqlStore.open(str(path))
    async with store.transaction() as tx:
        ada = await tx.users.get("ada")
        assert ada is not None
        assert (ada.id, ada.admin, ada.groups, ada.user_info, ada.remove_wanted) == (7, True, (), None, False)
        assert await tx.accounts.get("ada") is not None
        assert await tx.services.get("cull") == Service(3, "cull")
        role = Role("r", ("self",), "About")
        assert [await tx.roles.of("user", 7), await tx.roles.of("service", 3)] == [[role], [role]]
        server = await tx.servers.get(7, "lab")
        assert server is not None
        assert (server.id, server.attempt, server.version, server.user_options) == (5, 2, 4, {"a": 1})
        assert await tx.oauth.client("c1") == OAuthClient("c1", "hash", "/cb", "Lab", 5, "ada/lab")
        assert await tx.oauth.take_code("o1") is not None
        assert await tx.tokens.get(8) is not None
        assert (await tx.users.add("bob", admin=False, now=ada.created)).id > 9, "ids are never used again"
    await store.close()


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
