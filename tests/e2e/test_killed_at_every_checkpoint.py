"""The hub is killed with -9 at every point at which something of a server's life was just done or is about to be.

A first run of each scenario tells the points there are; each is then the last one of a hub, and the next hub must put
everything right: what was asked for is carried on with, and nothing is orphaned, doubled or lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.support.forked_hubs import ForkedHub, eventually, forked_hub

from perijove.hub.core.servers import TRANSITIONS, State


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedHub]:
    """A hub that runs; it survives what the tests do to it."""
    with forked_hub(tmp_path_factory.mktemp("hub"), "c.JupyterHub.slow_stop_timeout = 30") as made:
        made.start()
        yield made


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something done to a server of a user who is made for it.

    Attributes:
        server: its name.
        begins_running: whether it runs before.
        method: of the request that does it.
        path: of that request.
        ends: the state in which the server is then; empty if there is none any more.
        wish: what the transaction does after which the request is carried out, whatever happens.
        body: of that request.
    """

    server: str
    begins_running: bool
    method: str
    path: str
    ends: str
    wish: str
    body: dict[str, bool] | None = None

    def prepare(self, hub: ForkedHub, user: str) -> int | None:
        """Make the user, with a server that runs if need be; return its process id."""
        hub.call("POST", f"/users/{user}")
        if not self.begins_running:
            return None
        hub.call("POST", f"/users/{user}/servers/{self.server}" if self.server else f"/users/{user}/server")
        return eventually(lambda: self.pid(hub, user), "the server runs before")

    def pid(self, hub: ForkedHub, user: str) -> int | None:
        """Return the process id of the server as stored, if it is ready."""
        row = hub.rows().get((user, self.server))
        return row.spawner_state["pid"] if row is not None and row.state == "ready" else None

    def act(self, hub: ForkedHub, user: str) -> None:
        """Send the request. The hub may die over it."""
        hub.call(self.method, self.path.format(user=user), **({} if self.body is None else {"json": self.body}))

    def over(self, hub: ForkedHub, user: str) -> bool:
        """Say whether it came to its end."""
        row = hub.rows().get((user, self.server))
        return (row.state if row is not None else "") == self.ends


SCENARIOS = {
    "start": Scenario("", False, "POST", "/users/{user}/server", "ready", "save(queued)"),
    "stop": Scenario("", True, "DELETE", "/users/{user}/server", "stopped", "save(stopping)"),
    "failed start": Scenario("broken", False, "POST", "/users/{user}/servers/broken", "failed", "save(queued)"),
    "start on another port": Scenario(
        "crowded", False, "POST", "/users/{user}/servers/crowded", "ready", "save(queued)"
    ),
    "removal": Scenario("named", True, "DELETE", "/users/{user}/servers/named", "", "save(stopping)", {"remove": True}),
    "removal of the user": Scenario("", True, "DELETE", "/users/{user}", "", "users.want_removal()"),
}


def recorded(hub: ForkedHub, scenario: Scenario, user: str) -> list[str]:
    """Return the points of a scenario that comes to its end."""
    scenario.prepare(hub, user)
    hub.settle()
    before = len(hub.reached())
    hub.wish("")
    scenario.act(hub, user)
    eventually(lambda: scenario.over(hub, user), "the scenario ends")
    hub.settle()
    return hub.reached()[before:]


@pytest.fixture(scope="module")
def points(hub: ForkedHub) -> dict[str, list[str]]:
    """The points of each scenario; of all but a start and a stop those that are reached in no other way."""
    found: dict[str, list[str]] = {}
    known: set[str] = set()
    for number, (name, scenario) in enumerate(SCENARIOS.items()):
        all_of_it = recorded(hub, scenario, f"observed{number}")
        found[name] = [point for point in all_of_it if name in {"start", "stop"} or _what(point) not in known]
        known |= {_what(point) for point in all_of_it}
    return found


def _what(point: str) -> str:
    return point.partition(" #")[0]


def test_these_are_all_the_points(points: dict[str, list[str]]) -> None:
    """What the table says is there: every state is stored, and what each command does to the world is done."""
    all_of_them = {_what(point) for found in points.values() for point in found}
    stored = {state for state in State if any(f"servers.save({state})" in point for point in all_of_them)}
    assert stored == set(TRANSITIONS.values())
    deeds = {"spawner.start", "spawner.stop", "spawner.delete_forever", "proxy.add_route", "proxy.delete_route"}
    deeds |= {"servers.checkpoint()", "servers.claim()", "servers.delete()", "users.delete()"}
    assert {f"{side} {deed}" for deed in deeds for side in ("before", "after")} <= all_of_them


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_orphaned_and_nothing_lost(hub: ForkedHub, points: dict[str, list[str]], name: str) -> None:
    assert points[name]
    for number, point in enumerate(points[name]):
        die(hub, SCENARIOS[name], point, f"{name.replace(' ', '-')}-{number}")


def die(hub: ForkedHub, scenario: Scenario, point: str, user: str) -> None:
    """Let the hub die at a point of a scenario, and look what the next hub makes of it."""
    pid = scenario.prepare(hub, user)
    before = len(hub.reached())
    hub.wish(point)
    scenario.act(hub, user)
    eventually(lambda: not hub.lives, f"the hub dies {point}")
    asked = any(done.startswith("after") and scenario.wish in done for done in hub.reached()[before:])
    had = [notebook.pid for notebook in hub.notebooks() if notebook.user == user]
    hub.wish("")
    hub.start()
    if asked:
        eventually(lambda: scenario.over(hub, user), lambda: f"it goes on after a death {point}\n{hub.log[-3000:]}")
    hub.settle()
    assert not hub.strays(), f"what ran was not in the store at a death {point}"
    if asked and scenario.ends == "ready" and "ready" in point:
        assert [scenario.pid(hub, user)] == had, f"the server was started again after a death {point}"
    if not asked and scenario.wish != "users.want_removal()":
        # Who deletes a user has their servers stopped first, and is then asked again.
        assert scenario.pid(hub, user) == pid, f"nothing had been asked for, but something was done, {point}"
