from __future__ import annotations

import pytest

from perijove.hub.adapters.store.values import json_text
from perijove.hub.core.errors import Code, PerijoveError


def test_json() -> None:
    assert json_text({"a": [1, None, "é"]}) == '{"a":[1,null,"\\u00e9"]}'


def test_what_json_cannot_hold() -> None:
    endless: list[object] = []
    endless.append(endless)
    for value in (object(), float("inf"), {(1, 2): 3}, endless):
        with pytest.raises(PerijoveError) as caught:
            json_text(value)
        assert caught.value.code is Code.INVALID
