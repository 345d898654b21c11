from __future__ import annotations

from typing import Any

import pytest

from perijove.hub.adapters.spawners.limits import parse_limits


def test_a_limit_is_a_number_or_a_pair() -> None:
    assert parse_limits({"NOFILE": 100, "CORE": (0, -1), "NPROC": [5, 6], "AS": -1}) == {
        "NOFILE": (100, 100),
        "CORE": (0, -1),
        "NPROC": (5, 6),
        "AS": (-1, -1),
    }


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"NOFILES": 1}, "there is no limit 'NOFILES'; there are AS"),
        ({"NOFILE": "1"}, "must be a whole number"),
        ({"NOFILE": True}, "must be a whole number"),
        ({"NOFILE": (1, 2, 3)}, "must be a whole number"),
        ({"NOFILE": -2}, "must be a whole number"),
        ({"NOFILE": (2, 1)}, "above the hard one"),
        ({"NOFILE": (-1, 1)}, "above the hard one"),
    ],
)
def test_what_cannot_be_set_says_why(limits: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_limits(limits)
