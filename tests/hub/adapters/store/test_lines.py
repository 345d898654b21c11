"""What a transaction is, the contract says; here, what becomes of the connection."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, create_engine, insert, select

from perijove.hub.adapters.store.lines import Line, Lines
from perijove.hub.adapters.store.tables import metadata, users
from perijove.hub.adapters.store.worker import Repository, Worker, in_worker, note_writes
from perijove.hub.core.errors import Code, PerijoveError
from perijove.hub.testing.store_samples import NOW


class FakeLink:
    """A database in memory that tells what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.connection: Connection | None = None

    def begin(self) -> Connection:
        if self.connection is None:
            engine = create_engine("sqlite://")
            note_writes(engine)
            self.connection = engine.connect()
            metadata.create_all(self.connection)
        self.asked.append("begin")
        return self.connection

    def commit(self, changed: bool) -> None:
        self.asked.append(f"commit {changed}")

    def rollback(self) -> None:
        self.asked.append("rollback")

    def close(self) -> None:
        self.asked.append("close")
        if self.connection is not None:
            self.connection.close()


class People(Repository):
    """What the transactions of these tests do."""

    @in_worker
    def look(self) -> None:
        self.connection.execute(select(users.c.id)).all()

    @in_worker
    def add(self) -> None:
        self.connection.execute(insert(users), {"name": "ada", "admin": False, "created": NOW})


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
def lines(link: FakeLink) -> Lines:
    return Lines([Line(link, Worker())], set())


async def test_what_is_written_is_committed_and_counted(link: FakeLink, lines: Lines) -> None:
    async with lines.transaction(People) as people:
        await people.look()
    async with lines.transaction(People) as people:
        await people.add()
    assert lines.changes == 1
    await lines.close()
    assert link.asked == ["begin", "commit False", "begin", "commit True", "close"]


async def test_of_what_only_reads_nothing_stays(link: FakeLink, lines: Lines) -> None:
    async with lines.transaction(People, reads=True) as people:
        await people.look()
        with pytest.raises(RuntimeError, match="for reading"):
            await people.add()
    await lines.close()
    assert link.asked == ["begin", "rollback", "close"]
    assert lines.changes == 0


async def test_an_exception_undoes_it(link: FakeLink, lines: Lines) -> None:
    for reads in (False, True):
        with pytest.raises(LookupError):
            async with lines.transaction(People, reads=reads) as people:
                await people.look()
                raise LookupError
        with pytest.raises(RuntimeError, match="over"):
            await people.look()
    assert link.asked == ["begin", "rollback"] * 2
    await lines.close()


async def test_once_closed_it_says_so(lines: Lines) -> None:
    await lines.close()
    await lines.close()
    with pytest.raises(PerijoveError) as caught:
        async with lines.transaction(People, reads=True):
            pass
    assert caught.value.code is Code.UNAVAILABLE


async def test_of_several_the_one_used_last_is_taken_first() -> None:
    links = [FakeLink() for _ in range(3)]
    lines = Lines([Line(link, Worker()) for link in links], set())

    async def look(times: int) -> None:
        async with lines.transaction(People, reads=True) as people:
            await people.look()
            if times > 1:
                await asyncio.create_task(look(times - 1))

    for times in (1, 2, 1):
        await look(times)
    await lines.close()
    assert [link.asked.count("begin") for link in links] == [3, 1, 0]
    assert [link.asked[-1] for link in links] == ["close"] * 3
