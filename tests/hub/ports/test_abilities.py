from __future__ import annotations

import pytest

from perijove.hub.adapters.spawners.local import SimpleLocalProcessSpawner
from perijove.hub.ports import abilities
from perijove.hub.ports.spawner import Spawner

ABILITIES = [
    abilities.Prepares,
    abilities.HasNeeds,
    abilities.WatchesMemory,
    abilities.ChoosesPort,
    abilities.SignalsExit,
    abilities.KeepsLog,
    abilities.MeasuresUsage,
]


@pytest.mark.parametrize("ability", ABILITIES)
def test_a_spawner_has_an_ability_by_its_methods_and_none_by_itself(ability: type) -> None:
    assert not isinstance(Spawner(), ability)
    assert isinstance(SimpleLocalProcessSpawner(), ability)
