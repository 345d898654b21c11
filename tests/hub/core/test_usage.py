from __future__ import annotations

from perijove.hub.core.usage import Usage


def test_what_is_not_held_to_a_limit_has_none() -> None:
    assert Usage(1024) == Usage(memory=1024, memory_limit=None)
