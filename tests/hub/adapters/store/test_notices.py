from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import Engine, NullPool, create_engine
from tests.support.postgres import Cluster

from perijove.hub.adapters.store.notices import Notices


@pytest.fixture
def engine(cluster: Cluster) -> Iterator[Engine]:
    made = create_engine(cluster.database().replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    yield made
    made.dispose()


def await_that(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_hubs_hear_of_each_other_and_not_of_themselves(engine: Engine) -> None:
    one, two = Notices(engine), Notices(engine)
    one.start()
    two.start()
    marks = one.mark(0), two.mark(0)
    with engine.begin() as connection:
        one.send(connection)
    await_that(lambda: two.mark(0) != marks[1])
    assert one.mark(0) == marks[0]
    assert one.mark(1) != marks[0]
    one.close()
    two.close()


def test_while_it_cannot_listen_no_mark_is_used_again(engine: Engine) -> None:
    notices = Notices(engine)
    assert notices.mark(0) != notices.mark(0), "it has not begun"
    notices.start()
    before = notices.mark(0)
    assert notices.mark(0) == before
    with psycopg.connect(engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as other:
        listening = "datname = current_database() AND pid <> pg_backend_pid()"
        ended = other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listening}".encode())
        assert ended.fetchall() == [(True,)]
    await_that(lambda: notices.mark(0) != before)
    await_that(lambda: notices.mark(0) == notices.mark(0))
    notices.close()
