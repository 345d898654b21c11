from __future__ import annotations

from perijove.hub.core.groups import Group


def test_a_new_group_has_no_properties() -> None:
    assert Group(1, "team") == Group(1, "team", properties={})
