from __future__ import annotations

from perijove.hub.core.health import Check


def test_a_part_is_well_unless_somebody_says_otherwise() -> None:
    assert Check("database").well
    assert not Check("service", "wiki", well=False, reason="It is not running").well
