from __future__ import annotations

import dataclasses
import typing

import pytest

from perijove.hub.core import events

DECLARED: set[type] = {
    value for value in vars(events).values() if isinstance(value, type) and value.__module__ == events.__name__
}


def test_every_fact_belongs_to_the_union() -> None:
    assert set(typing.get_args(events.Fact)) == DECLARED


@pytest.mark.parametrize("fact", sorted(DECLARED, key=str))
def test_a_fact_is_an_unchangeable_value_of_plain_data(fact: type) -> None:
    assert dataclasses.is_dataclass(fact)
    hints = typing.get_type_hints(fact)
    assert set(hints.values()) <= {str, int, float}
    one, same = (fact(**{name: kind() for name, kind in hints.items()}) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, next(iter(hints)), "changed")
    assert not hasattr(one, "__dict__")
