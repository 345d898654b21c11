from __future__ import annotations

import pytest

from perijove.hub.core.facts import Fact, Origin


def test_a_fact_without_a_sentence_is_none() -> None:
    with pytest.raises(TypeError, match="sentence"):
        Fact()  # type: ignore[abstract]


def test_what_nobody_asked_for_comes_from_the_hub() -> None:
    assert Origin() == Origin("hub", "", "", "")
