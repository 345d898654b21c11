"""Two hubs on one PostgreSQL: each server, each service has one process, and a dead hub's are taken over."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from tests.support.forked_hubs import ForkedHub, eventually, forked_hub
from tests.support.hubs import processes_of_service
from tests.support.postgres import postgres

PEOPLE = ("ada", "grace", "linus", "niklaus")
SHARED = """
c.JupyterHub.cookie_secret = bytes(32)
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.JupyterHub.services += [{{"name": "night", "command": ["sleep", "600"]}}]
"""


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ForkedHub, ForkedHub]]:
    """Two hubs that run, with a user for each name."""
    folders = [tmp_path_factory.mktemp("hub") for _ in range(2)]
    extra = SHARED.format(homes=str(folders[0] / "data" / "homes" / "{username}"))
    with (
        postgres() as cluster,
        forked_hub(folders[0], extra, db_url=cluster.database()) as one,
        forked_hub(folders[1], extra, db_url=one.db_url, beside=one) as two,
    ):
        one.start()
        two.start()
        for name in PEOPLE:
            one.call("POST", f"/users/{name}")
        yield one, two


def everywhere(hubs: tuple[ForkedHub, ForkedHub], method: str) -> None:
    """Ask both hubs at once for the same about everybody's server."""
    with ThreadPoolExecutor(2 * len(PEOPLE)) as people:
        asked = [people.submit(hub.ask, method, f"/users/{name}/server") for name in PEOPLE for hub in hubs]
    assert all(each.result() is not None for each in asked)


def settled(hub: ForkedHub, state: str) -> None:
    """Return when everybody's server is in that state."""
    eventually(
        lambda: {row.state for row in hub.rows().values()} == {state}, lambda: f"{hub.rows()}\n{hub.log[-3000:]}"
    )
    hub.settle()


def starts(hub: ForkedHub, name: str) -> list[str]:
    """Return the process ids of all that was ever started of somebody's server."""
    return [line.split()[0] for line in Path(hub.data, "homes", name, "starts-").read_text().splitlines()]


def test_what_two_hubs_are_asked_at_once_is_done_once(hubs: tuple[ForkedHub, ForkedHub]) -> None:
    one, _ = hubs
    for attempt in (1, 2):
        everywhere(hubs, "POST")
        settled(one, "ready")
        assert {name: len(starts(one, name)) for name in PEOPLE} == dict.fromkeys(PEOPLE, attempt)
        everywhere(hubs, "DELETE")
        settled(one, "stopped")


def test_a_dead_hubs_servers_are_taken_over_and_go_on(hubs: tuple[ForkedHub, ForkedHub]) -> None:
    one, two = hubs
    for name in PEOPLE:
        one.call("POST", f"/users/{name}/server")
    settled(one, "ready")
    before = {notebook.pid for notebook in one.notebooks()}
    one.kill()
    with psycopg.connect(one.db_url, autocommit=True) as store:
        killed = store.execute("SELECT clock_timestamp()").fetchone()

        def taken_over() -> bool:
            later = "SELECT count(*) FROM servers WHERE lease_until > %s + make_interval(secs => %s)"
            return store.execute(later, (*(killed or ()), one.lease)).fetchone() == (len(PEOPLE),)

        eventually(taken_over, lambda: two.log[-3000:])
    assert {notebook.pid for notebook in one.notebooks()} == before
    for name in PEOPLE:
        two.call("DELETE", f"/users/{name}/server")
    settled(one, "stopped")


def one_runs_it(hub: ForkedHub, other: ForkedHub) -> ForkedHub | None:
    """Return which of the two hubs runs the service, in one process, while the other does not; else None."""
    running = [(each, pid) for each in (hub, other) for pid in processes_of_service("night", each.hub_port)]
    return running[0][0] if len(running) == 1 else None


def test_a_service_runs_once_and_goes_over_when_its_hub_dies(hubs: tuple[ForkedHub, ForkedHub]) -> None:
    for hub in hubs:
        if not hub.lives:
            hub.start()
    first = eventually(lambda: one_runs_it(*hubs), lambda: f"{hubs[0].log[-3000:]}\n{hubs[1].log[-3000:]}")
    assert first is not None
    second = hubs[hubs[0] is first]
    (left,) = processes_of_service("night", first.hub_port)
    first.kill()
    (taken,) = eventually(lambda: processes_of_service("night", second.hub_port), lambda: second.log[-3000:])
    assert processes_of_service("night", first.hub_port) == [left], "nobody else may end what is on a hub's machine"
    first.start()
    eventually(lambda: not processes_of_service("night", first.hub_port), lambda: first.log[-3000:])
    with psycopg.connect(first.db_url, autocommit=True) as store:
        until = "SELECT until FROM leases WHERE name = 'service night'"
        back = store.execute("SELECT clock_timestamp()").fetchone()
        later = f"{until} AND until > %s + make_interval(secs => %s)"
        # By then the first has looked several times whether the service is to be had.
        eventually(
            lambda: store.execute(later, (*(back or ()), 3 * first.lease)).fetchone(), lambda: second.log[-3000:]
        )
    assert one_runs_it(first, second) is second
    assert processes_of_service("night", second.hub_port) == [taken]
    second.interrupt()
    eventually(lambda: one_runs_it(first, second) is first, lambda: first.log[-3000:])
