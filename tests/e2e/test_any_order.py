"""Servers, users, hub and proxy are started, stopped, killed, renamed and deleted in any order, against a model.

Everything is real but the notebooks (`fake_notebook`). Whatever happened, as soon as a hub runs and is left alone for a
moment, machine, proxy and store must agree with each other and with what people asked for last.
`PERIJOVE_THOROUGH=200` tries that many histories.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.support.forked_hubs import ForkedHub, forked_hub

THOROUGH = int(os.environ.get("PERIJOVE_THOROUGH", "0"))
PART = 10
"""How many histories one test tries; a single test may not take for ever."""
USERS = st.sampled_from([0, 1])
SERVERS = st.sampled_from(["", "slow", "stubborn", "broken", "crowded"])
DEATHS = st.sampled_from(
    [
        f"{side} {deed} #{number}"
        for side in ("before", "after")
        for deed in (
            "servers.claim()",
            "tokens.delete_of_server(), oauth.put_client(), tokens.add()",
            "spawner.start",
            "servers.checkpoint()",
            "servers.save(answering), progress.append()",
            "proxy.add_route",
            "proxy.delete_route",
            "spawner.stop",
            "tokens.delete_of_server(), oauth.delete_client_of()",
            "servers.save(stopped)",
        )
        for number in (1, 2)
    ]
)


class Wish(Enum):
    """What is known of what a server should be."""

    RUNNING = "running"
    REST = "at rest"
    UNSURE = "either: nobody knows whether the hub took the last request, or when the process was killed"


@dataclass(slots=True)
class Known:
    """A server as the model has it; *pid* and *home* are known while it runs undisturbed."""

    wish: Wish = Wish.REST
    pid: int = 0
    home: str = ""


@dataclass(slots=True)
class Person:
    """A user as the model has them; *there* is None where nobody knows whether they were deleted."""

    name: str
    there: bool | None = True
    servers: dict[str, Known] = field(default_factory=dict)


class AnyOrder(RuleBasedStateMachine):
    """The rules: what people and bad luck do."""

    hub: ForkedHub
    histories = 0

    @initialize()
    def begin(self) -> None:
        AnyOrder.histories += 1
        self.renames = 0
        self.settled = False
        self.names: set[str] = set()
        self.people: list[Person] = []
        if not self.hub.lives:
            self.hub.start()
        for letter in "ab":
            person = Person(f"{letter}{self.histories}")
            assert self.hub.call("POST", f"/users/{person.name}") is not None
            self.people.append(person)
            self.names.add(person.name)

    # What people do.

    @rule(who=USERS, name=SERVERS)
    def start_server(self, who: int, name: str) -> None:
        person = self.people[who]
        if person.there:
            self._started(person, name, self._call("POST", _path(person, name), {201, 202, 400, 409}))

    @rule(who=USERS, name=SERVERS)
    def start_twice_at_once(self, who: int, name: str) -> None:
        person = self.people[who]
        if not person.there:
            return
        self.start_hub()
        with ThreadPoolExecutor(2) as both:
            asked = [both.submit(self.hub.ask, "POST", _path(person, name)) for _ in range(2)]
        answers = [answer.status_code if (answer := each.result()) is not None else 0 for each in asked]
        assert set(answers) <= {0, 201, 202, 400, 409}
        self._started(person, name, min(answers) or None)

    def _started(self, person: Person, name: str, answer: int | None) -> None:
        known = person.servers.setdefault(name, Known())
        if answer in {400, 409}:
            # Refused is only what runs, or is on its way up or down.
            assert not (self.settled and known.wish is Wish.REST), f"{person.name}/{name} could not be started"
            return
        assert not (self.settled and known.wish is Wish.RUNNING and answer), f"{person.name}/{name} started twice"
        # One whose fate is not known may be on its way up, which is fine with the hub, and fail all the same.
        unsure = answer is None or known.wish is Wish.UNSURE
        wish = Wish.REST if name == "broken" else Wish.UNSURE if unsure else Wish.RUNNING
        person.servers[name] = Known(wish)
        self.settled = False

    @rule(who=USERS, name=SERVERS, remove=st.booleans())
    def stop_server(self, who: int, name: str, remove: bool) -> None:
        person = self.people[who]
        if not person.there or name not in person.servers:
            return
        body = {"remove": True} if remove and name else None
        answer = self._call("DELETE", _path(person, name), {202, 204, 404}, json=body)
        person.servers[name] = Known(Wish.UNSURE if answer is None else Wish.REST)
        self.settled = False

    @rule(who=USERS)
    def rename_user(self, who: int) -> None:
        person = self.people[who]
        if not person.there:
            return
        self.renames += 1
        name = f"{person.name[0]}{self.histories}-{self.renames}"
        self.names.add(name)
        answer = self._call("PATCH", f"/users/{person.name}", {200, 400}, json={"name": name})
        if answer is None:
            self._settle()
            answer = 200 if self._call("GET", f"/users/{name}", {200, 404}) == 200 else 400
        if answer == 200:
            person.name = name
        elif self.settled:
            assert any(known.wish is Wish.RUNNING for known in person.servers.values()), "could not be renamed"

    @rule(who=USERS)
    def delete_user(self, who: int) -> None:
        person = self.people[who]
        if not person.there:
            return
        answer = self._call("DELETE", f"/users/{person.name}", {204, 409})
        person.there = {None: None, 204: False, 409: True}[answer]
        for name in person.servers:
            person.servers[name] = Known(Wish.REST if answer == 204 else Wish.UNSURE)
        self.settled = False

    @rule(who=USERS)
    def user_comes_back(self, who: int) -> None:
        person = self.people[who]
        if person.there is False:
            answer = self._call("POST", f"/users/{person.name}", {201, 409})
            assert answer != 409 or not self.settled, f"{person.name} was not deleted"
            person.there = True if answer == 201 else None if answer is None else False

    # What bad luck does.

    @rule(who=USERS, name=SERVERS)
    def kill_server(self, who: int, name: str) -> None:
        person = self.people[who]
        for notebook in self.hub.notebooks():
            if (notebook.user, notebook.server) == (person.name, name):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(notebook.pid, signal.SIGKILL)
                # What ran undisturbed fails; of one on its way, the next hub may begin a new try.
                undisturbed = person.servers[name].pid == notebook.pid
                person.servers[name] = Known(Wish.REST if undisturbed else Wish.UNSURE)
                self.settled = False

    @rule()
    def kill_hub(self) -> None:
        if self.hub.lives:
            self.hub.kill()

    @rule()
    def end_hub(self) -> None:
        self.hub.wish("")
        if self.hub.lives:
            self.hub.interrupt()

    @rule(point=DEATHS)
    def hub_shall_die(self, point: str) -> None:
        self.hub.wish(point)

    @rule()
    def start_hub(self) -> None:
        if not self.hub.lives:
            self.hub.start(may_die=True)

    @rule()
    def kill_proxy(self) -> None:
        for pid in self.hub.proxies():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # What must be.

    @rule()
    def all_is_well(self) -> None:
        self._settle()
        assert not self.hub.strays(), "what ran was not in the store"
        rows = self.hub.rows()
        for person in self.people:
            if person.there is None:
                person.there = self._call("GET", f"/users/{person.name}", {200, 404}) == 200
            if not person.there:
                assert not [key for key in rows if key[0] == person.name], f"{person.name} left servers behind"
                person.servers.clear()
            for name, known in person.servers.items():
                row = rows.get((person.name, name))
                running = row is not None and row.state == "ready"
                if known.wish is not Wish.UNSURE:
                    assert running is (known.wish is Wish.RUNNING), f"{person.name}/{name}: {known}, but {row}"
                known.wish = Wish.RUNNING if running else Wish.REST
                self._look_at(person, name, known)
        self.settled = True

    def _look_at(self, person: Person, name: str, known: Known) -> None:
        if known.wish is not Wish.RUNNING:
            return
        told = self.hub.through_the_proxy(person.name, name)
        assert (told["user"], told["server"]) == (person.name, name)
        assert known.pid in {0, told["pid"]}, f"{person.name}/{name} was started again although nobody had ended it"
        known.pid, known.home = told["pid"], told["home"]

    def _settle(self) -> None:
        """Let a hub run that dies of nothing, and wait until all is as stored."""
        self.hub.wish("")
        if not self.hub.lives:
            self.hub.start()
        self.hub.settle()

    def _call(self, method: str, path: str, expected: set[int], **options: object) -> int | None:
        """Return the status of the hub's answer, one of those *expected*; None if it died over the request.

        A hub that is down is started first, though it may die at once.
        """
        self.start_hub()
        answer = self.hub.ask(method, path, **options)
        assert answer is None or answer.status_code in expected, f"{method} {path}: {answer} {answer.text}"
        return None if answer is None else answer.status_code

    def teardown(self) -> None:
        if getattr(self, "people", None) is None:
            return
        self.all_is_well()
        for person in self.people:
            while person.there and self._call("DELETE", f"/users/{person.name}", {204, 409}) == 409:
                self._settle()
        assert {key for key in self.hub.rows() if key[0] in self.names} == set()
        self._settle()


def _path(person: Person, name: str) -> str:
    return f"/users/{person.name}/servers/{name}" if name else f"/users/{person.name}/server"


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedHub]:
    """An installation for all histories."""
    with forked_hub(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.mark.parametrize("part", range(max(1, THOROUGH // PART)))
def test_whatever_happens_nothing_is_lost_and_nothing_left_over(hub: ForkedHub, part: int) -> None:
    AnyOrder.hub = hub
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=PART,
            stateful_step_count=30 if THOROUGH else 20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
            database=None,
        ),
    )
