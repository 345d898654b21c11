from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from perijove.hub.adapters.store import sql
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


class TestSqlStoreInMemory(StoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        opened = await SqlStore.open("sqlite://")
        yield opened
        await opened.close()


async def refusal(url: str | Path) -> PerijoveError:
    with pytest.raises(PerijoveError) as caught:
        await SqlStore.open(str(url))
    return caught.value


async def test_what_is_stored_is_there_the_next_time(tmp_path: Path) -> None:
    for expected in range(3):
        store = await SqlStore.open(str(tmp_path / "hub.sqlite"))
        async with store.transaction() as tx:
            assert await tx.users.count() == expected
            await tx.users.add(f"u{expected}", admin=False, now=NOW)
        await store.close()


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


async def test_opening_can_be_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    opening = asyncio.create_task(SqlStore.open(str(path)))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await (await SqlStore.open(str(path))).close()


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = await SqlStore.open(str(tmp_path / "hub.sqlite"))
    await store.close()
    await store.close()
    with pytest.raises(PerijoveError) as caught:
        await store.ping()
    assert caught.value.code is Code.UNAVAILABLE


async def test_closing_waits_for_the_transaction_that_runs() -> None:
    store = await SqlStore.open("sqlite://")
    async with store.transaction() as tx:
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        await tx.users.add("ada", admin=False, now=NOW)
        assert await tx.users.count() == 1
        assert not closing.done()
    await closing


@pytest.mark.parametrize("url", ["postgresql://h/d", "sqlite://host/file", ""])
async def test_other_urls_are_refused(url: str) -> None:
    assert (await refusal(url)).code is Code.INVALID


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
    monkeypatch.setattr(sql, "BUSY_TIMEOUT", 0.05)
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

    opened = store._opened
    assert opened is not None
    await store._worker.run(lambda: sql._pragma(opened.connection, "max_page_count = 1"))
    with pytest.raises(PerijoveError, match="is full") as caught:
        await fill()
    assert caught.value.code is Code.UNAVAILABLE
    async with store.transaction() as tx:
        assert await tx.users.count() == 0
    await store.close()


async def test_a_commit_that_fails_undoes_the_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    store = await SqlStore.open("sqlite://")

    def fail(connection: Connection) -> None:
        error = sqlite3.OperationalError("details")
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        raise error

    with monkeypatch.context() as patch, pytest.raises(PerijoveError, match="disk"):
        patch.setattr(Connection, "commit", fail)
        async with store.transaction() as tx:
            await tx.users.add("ada", admin=False, now=NOW)
    async with store.transaction() as tx:
        assert await tx.users.count() == 0
    await store.close()


async def test_no_message_holds_a_value(tmp_path: Path) -> None:
    store = await SqlStore.open("sqlite://")
    with pytest.raises(PerijoveError) as caught:
        async with store.transaction() as tx:
            await tx.users.add("secret-name", admin=False, now=NOW)
            await tx.users.add("secret-name", admin=False, now=NOW)
    assert "secret-name" not in f"{caught.value} {caught.value.__cause__}"
    with pytest.raises(PerijoveError, match="cannot be stored"):
        async with store.transaction() as tx:
            await tx.users.get("\ud800")
    await store.close()


async def test_a_program_beside_the_hub_writes_and_changes_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    with pytest.raises(PerijoveError, match="There is no database"):
        await SqlStore.open(str(path), beside_hub=True)
    assert not path.exists()
    hub = await SqlStore.open(str(path))
    beside = await SqlStore.open(str(path), beside_hub=True)
    async with beside.transaction() as tx:
        await tx.users.add("ada", admin=False, now=NOW)
    async with hub.transaction() as tx:
        assert await tx.users.count() == 1
    await beside.close()
    with pytest.raises(PerijoveError, match="in use"):
        await SqlStore.open(str(path))
    await hub.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    database.close()
    with pytest.raises(PerijoveError, match="another version"):
        await SqlStore.open(str(path), beside_hub=True)
