from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import NullPool, create_engine
from tests.support.postgres import Cluster

from perijove.hub.adapters.store import postgres
from perijove.hub.adapters.store.location import Postgresql, location_of
from perijove.hub.adapters.store.sql import SqlStore
from perijove.hub.adapters.store.tables import metadata
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.ports.store import Store
from perijove.hub.testing.store_contract import StoreContract
from perijove.hub.testing.store_samples import NOW, add_user


class TestSqlStoreOnPostgresql(StoreContract):
    @pytest.fixture
    async def store(self, cluster: Cluster) -> AsyncIterator[Store]:
        if cluster.template == "template1":
            # The tables are made once; each test has a copy.
            url = cluster.database()
            await (await SqlStore.open(url)).close()
            cluster.template = url.rpartition("/")[2]
        opened = await SqlStore.open(cluster.database(cluster.template))
        yield opened
        await opened.close()


async def recovered(store: SqlStore) -> int:
    """Wait until the store answers again; return how many users there are."""
    deadline = time.monotonic() + 60
    while True:
        try:
            async with store.transaction() as tx:
                return await tx.users.count()
        except PerijoveError as error:
            assert error.code is Code.UNAVAILABLE
            assert error.retry_after
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_a_database_killed_and_back_goes_on_by_itself(cluster: Cluster) -> None:
    store = await SqlStore.open(cluster.database())
    async with store.transaction() as tx:
        await add_user(tx)
    mark = store.generation
    with pytest.raises(PerijoveError) as caught:
        async with store.transaction() as tx:
            await add_user(tx, "bob")
            cluster.kill()
            await add_user(tx, "cyd")
    assert caught.value.code is Code.UNAVAILABLE
    with pytest.raises(PerijoveError) as caught:
        await store.ping()
    assert (caught.value.code, caught.value.retry_after) == (Code.UNAVAILABLE, 5)
    cluster.start()
    assert await recovered(store) == 1, "what was committed is there, and nothing else"
    assert store.generation != mark, "others may have changed something meanwhile"
    await store.close()


async def test_a_connection_lost_between_transactions_is_not_noticed(cluster: Cluster) -> None:
    store = await SqlStore.open(cluster.database())
    await store.ping()
    cluster.kill()
    cluster.start()
    await store.ping()
    await store.close()


async def test_two_hubs_share_a_database(cluster: Cluster) -> None:
    url = cluster.database()
    # Both make the tables; one of them first.
    one, two = await asyncio.gather(SqlStore.open(url), SqlStore.open(url))
    assert not one.alone
    before = two.generation
    async with one.transaction() as tx:
        await add_user(tx)
    deadline = time.monotonic() + 30
    while two.generation == before:
        assert time.monotonic() < deadline, "the other hub is told of changes"
        await asyncio.sleep(0.01)

    async def make(store: SqlStore, name: str) -> bool:
        async with store.transaction() as tx:
            if await tx.users.get(name) is not None:
                return False
            await asyncio.sleep(0)
            await add_user(tx, name)
            return True

    made = await asyncio.gather(*(make(store, f"u{number}") for number in range(20) for store in (one, two)))
    assert sum(made) == 20, "nobody acted on what another was changing"
    await asyncio.gather(one.close(), two.close())


async def test_who_reads_sees_one_moment_and_waits_for_nobody(cluster: Cluster) -> None:
    store = await SqlStore.open(cluster.database())

    async def look() -> int:
        async with store.reading() as tx:
            return await tx.users.count()

    async def add(name: str) -> int:
        async with store.transaction() as tx:
            await add_user(tx, name)
            # In other tasks: each may be in one transaction only.
            return sum(await asyncio.gather(*(asyncio.create_task(look()) for _ in range(3 * postgres.READERS))))

    async with asyncio.timeout(30), store.reading() as tx:
        assert await tx.users.count() == 0
        assert await asyncio.create_task(add("ada")) == 0
        assert await tx.users.count() == 0
        assert await asyncio.create_task(add("bob")) == 3 * postgres.READERS
        assert await tx.users.count() == 0
    assert await look() == 2
    await store.close()


async def test_a_connection_for_reading_comes_back_by_itself(cluster: Cluster) -> None:
    store = await SqlStore.open(cluster.database())
    async with store.reading() as tx:
        assert await tx.users.count() == 0
    cluster.kill()
    cluster.start()
    async with store.reading() as tx:
        assert await tx.users.count() == 0
    with pytest.raises(PerijoveError) as caught:
        async with store.reading() as tx:
            await tx.users.count()
            cluster.kill()
            await tx.users.count()
    assert caught.value.code is Code.UNAVAILABLE
    cluster.start()
    assert await recovered(store) == 0
    async with store.reading() as tx:
        assert await tx.users.count() == 0
    await store.close()


async def test_a_database_that_cannot_be_reached_is_told(cluster: Cluster) -> None:
    for url, says in (
        (cluster.url("missing"), "database"),
        (cluster.database().replace("hub:hub@", "hub:wrong@"), "database"),
        ("postgresql://hub:geheim@127.0.0.1:1/hub", "cannot be reached"),
    ):
        with pytest.raises(PerijoveError, match=says) as caught:
            await SqlStore.open(url)
        assert caught.value.code is Code.UNAVAILABLE
        assert "geheim" not in caught.value.message


async def test_text_that_postgresql_cannot_hold_is_refused(cluster: Cluster) -> None:
    store = await SqlStore.open(cluster.database())
    with pytest.raises(PerijoveError, match="cannot be stored") as caught:
        async with store.transaction() as tx:
            await tx.users.get("a\x00b")
    assert caught.value.code is Code.INVALID
    await store.close()


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'")

    monkeypatch.setattr(postgres, "_engine", missing)
    location = location_of("postgresql://h/d")
    assert isinstance(location, Postgresql)
    with pytest.raises(PerijoveError, match="perijove\\[postgresql\\]") as caught:
        postgres.open_postgres(location, False)
    assert caught.value.code is Code.INVALID


async def test_times_do_not_depend_on_the_zone_of_the_database(cluster: Cluster) -> None:
    store = await SqlStore.open(cluster.database() + "?options=-c%20timezone%3DAsia/Tokyo")
    async with store.transaction() as tx:
        assert (await add_user(tx)).created == NOW
        found = await tx.users.get("ada")
        assert found is not None
        assert found.created == NOW
    await store.close()


async def test_the_migrations_make_the_tables_on_postgresql_too(cluster: Cluster) -> None:
    url = cluster.database()
    await (await SqlStore.open(url)).close()
    location = location_of(url)
    assert isinstance(location, Postgresql)
    engine = create_engine(location.url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
