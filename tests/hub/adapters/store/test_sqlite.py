from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from perijove.hub.adapters.store import sqlite
from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.ports.store import Store
from perijove.hub.testing.store_contract import StoreContract

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class TestSqlStoreInAFile(StoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        opened = await SqlStore.open(f"sqlite:///{tmp_path}/hub.sqlite")
        yield opened
        await opened.close()


async def refusal(url: str | Path) -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await SqlStore.open(str(url))
    return caught.value


async def test_what_is_committed_outlives_a_kill(tmp_path: Path) -> None:
    store = await SqlStore.open(str(tmp_path / "hub.sqlite"))
    async with store.transaction() as tx:
        await tx.users.add("ada", admin=False, now=NOW)
    async with store.transaction() as tx:
        await tx.users.add("bob", admin=False, now=NOW)
        # A copy made in the middle is what a killed process would leave behind.
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / f"hub.sqlite{suffix}", tmp_path / f"copy.sqlite{suffix}")
    await store.close()
    copy = await SqlStore.open(str(tmp_path / "copy.sqlite"))
    async with copy.transaction() as tx:
        assert await tx.users.get("ada") is not None
        assert await tx.users.get("bob") is None
    await copy.close()


async def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = await SqlStore.open(str(tmp_path / "hub.sqlite"))
        await store.ping()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["hub.sqlite", "hub.sqlite-wal", "hub.sqlite-shm", "hub.sqlite.lock"], 0o600)
    await store.close()


async def test_a_second_hub_is_refused_until_the_first_has_closed(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    store = await SqlStore.open(str(path))
    error = await refusal(path)
    assert error.code is Code.CONFLICT
    assert str(path) in error.message
    assert str(os.getpid()) in error.message
    await store.close()
    await (await SqlStore.open(str(path))).close()


async def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("no database, but long enough to be read as one" * 100)
    for path in (tmp_path / "missing" / "hub.sqlite", tmp_path, tmp_path / "text.sqlite"):
        error = await refusal(path)
        assert error.code is Code.UNAVAILABLE
        assert error.retry_after == 5
    assert not (tmp_path / "missing").exists()


async def test_a_database_of_jupyterhub_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "jupyterhub.sqlite"
    with sqlite3.connect(path) as theirs:
        theirs.executescript(
            "CREATE TABLE users (id INTEGER); CREATE TABLE spawners (id INTEGER);"
            "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('f460b0348206');"
        )
    theirs.close()
    before = path.read_bytes()
    error = await refusal(path)
    assert error.code is Code.CONFLICT
    assert "JupyterHub" in error.message
    assert "db_url" in error.message
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*-wal"))


async def test_a_lock_by_another_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)
    path = tmp_path / "hub.sqlite"
    store = await SqlStore.open(str(path))
    backup = sqlite3.connect(path, isolation_level=None)
    backup.execute("BEGIN IMMEDIATE")
    with pytest.raises(PerijoveError, match="locked by another program") as caught:
        await store.ping()
    assert (caught.value.code, caught.value.retry_after) == (Code.UNAVAILABLE, 5)
    backup.close()
    await store.ping()
    await store.close()


async def test_a_full_disk_is_told_and_undoes_the_transaction(tmp_path: Path) -> None:
    store = await SqlStore.open(str(tmp_path / "hub.sqlite"))

    async def fill() -> None:
        async with store.transaction() as tx:
            for number in range(5000):
                await tx.users.add(f"{number:0200}", admin=False, now=NOW)

    database = store._database
    assert isinstance(database, sqlite.SqliteDatabase)
    async with store.transaction() as tx:
        await tx.users.unit.worker.run(lambda: sqlite._pragma(database.connection, "max_page_count = 1"))
    with pytest.raises(PerijoveError, match="is full") as caught:
        await fill()
    assert caught.value.code is Code.UNAVAILABLE
    async with store.transaction() as tx:
        assert await tx.users.count() == 0
    await store.close()
