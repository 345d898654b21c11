"""What every spawner must do, so that no server is lost, started twice or left behind.

Subclass `SpawnerContract` in a test module, override `make_spawner`, and pytest runs the suite. What the spawners run
must go on until it is stopped.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from perijove.hub.ports.spawner import KeepsLog, SignalsExit, Spawner
from perijove.hub.ports.traits import call_plugin

PATIENCE = 60.0
"""Seconds until anything that must happen has happened."""

MakeSpawner = Callable[[], Spawner]


async def start(spawner: Spawner) -> Any:
    """Start the server as the hub does."""
    return await call_plugin(spawner.start, timeout=PATIENCE)


async def poll(spawner: Spawner) -> int | None:
    """Ask as the hub does."""
    status: int | None = await call_plugin(spawner.poll, timeout=PATIENCE)
    return status


async def stop(spawner: Spawner, *, now: bool = False) -> None:
    """Stop the server as the hub does."""
    await call_plugin(spawner.stop, now, timeout=PATIENCE)


class SpawnerContract:
    """The suite. Override `make_spawner`."""

    @pytest.fixture
    def make_spawner(self) -> MakeSpawner:
        """Return a function that gives a new spawner object for always the same server, as another hub process has it.

        The fixture's end must leave nothing running.
        """
        pytest.fail("override the fixture 'make_spawner'")

    async def test_nothing_runs_before_the_start(self, make_spawner: MakeSpawner) -> None:
        spawner = make_spawner()
        assert await poll(spawner) is not None
        assert spawner.get_state() == {}

    async def test_stopping_nothing_is_no_error(self, make_spawner: MakeSpawner) -> None:
        await stop(make_spawner())

    async def test_start_says_where_the_server_will_listen(self, make_spawner: MakeSpawner) -> None:
        spawner = make_spawner()
        address = await start(spawner)
        try:
            if isinstance(address, str):
                assert address.startswith(("http://", "https://"))
            else:
                ip, port = address
                assert ip
                assert 0 < port < 65536
        finally:
            await stop(spawner)

    async def test_a_started_server_runs_until_it_is_stopped(self, make_spawner: MakeSpawner) -> None:
        spawner = make_spawner()
        await start(spawner)
        assert await poll(spawner) is None
        await stop(spawner)
        assert await poll(spawner) is not None

    async def test_a_server_can_be_stopped_at_once(self, make_spawner: MakeSpawner) -> None:
        spawner = make_spawner()
        await start(spawner)
        await stop(spawner, now=True)
        assert await poll(spawner) is not None

    async def test_stopping_twice_is_no_error(self, make_spawner: MakeSpawner) -> None:
        spawner = make_spawner()
        await start(spawner)
        await stop(spawner)
        await stop(spawner)
        assert await poll(spawner) is not None

    async def test_a_stopped_server_can_be_started_again(self, make_spawner: MakeSpawner) -> None:
        spawner = make_spawner()
        for _ in range(2):
            await start(spawner)
            assert await poll(spawner) is None
            await stop(spawner)
            spawner.clear_state()
            assert spawner.get_state() == {}

    async def test_another_hub_process_finds_the_server(self, make_spawner: MakeSpawner) -> None:
        first, second = make_spawner(), make_spawner()
        await start(first)
        second.load_state(json.loads(json.dumps(first.get_state())))
        assert await poll(second) is None
        assert second.get_state() == first.get_state()
        await stop(second)
        assert await poll(second) is not None
        assert await poll(first) is not None

    async def test_the_checkpoint_during_start_is_enough_to_find_the_server(self, make_spawner: MakeSpawner) -> None:
        first, second = make_spawner(), make_spawner()
        states: list[str] = []

        async def checkpoint() -> None:
            states.append(json.dumps(first.get_state()))

        first.checkpoint = checkpoint
        await start(first)
        assert states, "start() did not await checkpoint()"
        for state in states:
            second.load_state(json.loads(state))
            assert await poll(second) is None
        await stop(second)
        assert await poll(first) is not None

    async def test_a_start_whose_checkpoint_is_refused_leaves_nothing_that_stop_does_not_end(
        self, make_spawner: MakeSpawner
    ) -> None:
        spawner = make_spawner()

        async def refuse() -> None:
            raise ConnectionError("the store is away")

        spawner.checkpoint = refuse
        with pytest.raises(ConnectionError):
            await start(spawner)
        await stop(spawner)
        assert await poll(spawner) is not None

    @pytest.mark.parametrize("state", [{}, {"pid": -1}, {"run": 7, "port": "x"}, {"something": {"else": [None]}}])
    async def test_a_state_of_somebody_else_does_no_harm(
        self, make_spawner: MakeSpawner, state: dict[str, Any]
    ) -> None:
        spawner = make_spawner()
        spawner.load_state(state)
        await stop(spawner)
        spawner.clear_state()
        assert await poll(spawner) is not None

    async def test_progress_ends_with_the_start(self, make_spawner: MakeSpawner) -> None:
        spawner = make_spawner()

        async def follow() -> list[dict[str, Any]]:
            return [step async for step in spawner.progress()]

        follower = asyncio.create_task(follow())
        await start(spawner)
        try:
            for step in await asyncio.wait_for(follower, PATIENCE):
                assert 0 <= step["progress"] <= 100
                assert step["message"]
        finally:
            await stop(spawner)

    async def test_the_end_is_signalled(self, make_spawner: MakeSpawner) -> None:
        spawner = make_spawner()
        if not isinstance(spawner, SignalsExit):
            pytest.skip("the spawner does not signal the end of a server")
        await start(spawner)
        waiting = asyncio.create_task(spawner.wait_exit())
        await asyncio.sleep(0)
        assert not waiting.done()
        await stop(spawner)
        status = await asyncio.wait_for(waiting, PATIENCE)
        assert status is None or isinstance(status, int)

    async def test_the_log_is_bounded(self, make_spawner: MakeSpawner) -> None:
        spawner = make_spawner()
        if not isinstance(spawner, KeepsLog):
            pytest.skip("the spawner keeps no log")
        assert spawner.read_log(10) == "" or len(spawner.read_log(10).splitlines()) <= 10
        assert spawner.read_log(0) == ""
