from __future__ import annotations

import pytest

from perijove.hub.core.drift import Drift, DriftFound


@pytest.mark.parametrize("drift", Drift)
def test_each_kind_is_told_in_a_sentence_that_names_what_it_is_about(drift: Drift) -> None:
    fact = DriftFound(drift, "ada/lab")
    assert "ada/lab" in fact.sentence()
    assert "{" not in fact.sentence()
    assert fact.warning
    assert fact.audited is None
