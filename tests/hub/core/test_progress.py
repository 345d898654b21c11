from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from perijove.hub.core.progress import MAX_MESSAGE_LENGTH, ProgressEvent, message_of


@pytest.mark.parametrize(
    ("progress", "outcome", "url", "wire"),
    [
        (0, "", "", {"progress": 0, "message": "text"}),
        (50, "", "/user/a/", {"progress": 50, "message": "text"}),
        (100, "ready", "/user/a/", {"progress": 100, "message": "text", "ready": True, "url": "/user/a/"}),
        (100, "failed", "/user/a/", {"progress": 100, "message": "text", "failed": True}),
    ],
)
def test_clients_read_ready_and_url_only_after_success(
    now: datetime, progress: int, outcome: str, url: str, wire: dict[str, object]
) -> None:
    event = ProgressEvent(1, 2, 3, now, progress, "text", outcome)
    assert event.as_wire(url) == wire
    assert "\n" not in json.dumps(event.as_wire(url))


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"message": "Pulling"}, "Pulling"),
        ({"message": "Pulling", "html_message": "<b>Other</b>"}, "Pulling"),
        ({"html_message": '<a href="/x">Pulling</a> the\n image &lt;lab&gt;'}, "Pulling the image <lab>"),
        ({"message": 5}, "5"),
        ({"progress": 30}, ""),
        ({"message": None, "html_message": None}, ""),
    ],
)
def test_what_a_spawner_says_is_text(step: dict[str, Any], text: str) -> None:
    assert message_of(step) == text


def test_what_a_spawner_says_is_bounded() -> None:
    assert len(message_of({"html_message": "x" * 10_000})) == MAX_MESSAGE_LENGTH
