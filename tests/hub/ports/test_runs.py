from __future__ import annotations

from perijove.hub.adapters.spawners.local import LocalProcessSpawner, SimpleLocalProcessSpawner
from perijove.hub.ports.runs import FindsRuns
from perijove.hub.ports.spawner import Spawner
from perijove.hub.testing.fakes import FakeSpawner


def test_which_spawners_find_what_runs() -> None:
    for able in (LocalProcessSpawner(), SimpleLocalProcessSpawner(), FakeSpawner()):
        assert isinstance(able, FindsRuns)
    assert not isinstance(Spawner(), FindsRuns)
