from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.ports.spawner import Spawner
from perijove.hub.testing.fakes import FakeSpawner, FakeWorld
from perijove.hub.testing.spawner_contract import MakeSpawner, SpawnerContract


class TestFakeSpawner(SpawnerContract):
    @pytest.fixture
    def make_spawner(self) -> MakeSpawner:
        return FakeWorld().spawner_class()


class Forgetful(FakeSpawner):
    """Awaits no checkpoint, keeps no state, and stops nothing."""

    async def start(self) -> Any:
        checkpoint, self.checkpoint = self.checkpoint, _nothing
        try:
            return await super().start()
        finally:
            self.checkpoint = checkpoint

    def get_state(self) -> dict[str, Any]:
        return {}

    async def stop(self, now: bool = False) -> None:
        pass


async def _nothing() -> None:
    pass


async def test_the_suite_finds_a_spawner_that_loses_servers() -> None:
    suite = SpawnerContract()

    def make() -> Spawner:
        return Forgetful()

    for check in (
        suite.test_a_started_server_runs_until_it_is_stopped,
        suite.test_stopping_twice_is_no_error,
        suite.test_another_hub_process_finds_the_server,
        suite.test_the_checkpoint_during_start_is_enough_to_find_the_server,
    ):
        with pytest.raises(AssertionError):
            await check(make)
