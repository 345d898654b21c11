from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.ports.store import Store
from perijove.hub.testing.store_contract import StoreContract

NOW = datetime(2030, 1, 1, tzinfo=UTC)


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


async def test_a_hub_with_a_file_of_its_own_is_alone() -> None:
    store = await SqlStore.open("sqlite://")
    assert store.alone
    await store.close()


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


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://host/file", ""])
async def test_other_urls_are_refused(url: str) -> None:
    assert (await refusal(url)).code is Code.INVALID


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
