from __future__ import annotations

from perijove.hub.core.texts import mark


def test_what_is_marked_stays_as_it_is() -> None:
    assert mark("Running") == "Running"
