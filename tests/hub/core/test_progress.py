from __future__ import annotations

import json
from datetime import datetime

import pytest

from perijove.hub.core.progress import ProgressEvent


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
