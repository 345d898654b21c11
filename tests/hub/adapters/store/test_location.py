from __future__ import annotations

from pathlib import Path

import pytest

from perijove.hub.adapters.store.location import sqlite_file
from perijove.hub.core.errors import Code, PerijoveError


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///hub.sqlite", Path("hub.sqlite")),
        ("sqlite:///data/hub.sqlite", Path("data/hub.sqlite")),
        ("sqlite:////srv/hub/hub.sqlite", Path("/srv/hub/hub.sqlite")),
        ("sqlite+pysqlite:///hub.sqlite", Path("hub.sqlite")),
        ("sqlite:///my%20hub.sqlite", Path("my hub.sqlite")),
        ("hub.sqlite", Path("hub.sqlite")),
        ("/srv/hub.sqlite", Path("/srv/hub.sqlite")),
        ("sqlite://", None),
        ("sqlite:///", None),
        ("sqlite:///:memory:", None),
    ],
)
def test_what_a_url_means(url: str, path: Path | None) -> None:
    assert sqlite_file(url) == path


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "empty"),
        ("postgresql://hub:hunter2@db/hub", "needs asyncpg and is not supported by this version"),
        ("postgres+asyncpg://hub:hunter2@db/hub", "needs asyncpg and is not supported by this version"),
        ("mysql://hub:hunter2@db/hub", "not supported"),
        ("sqlite://hub.sqlite", "three slashes"),
        ("sqlite:///hub.sqlite?password=hunter2", "options after"),
    ],
)
def test_other_urls_are_refused_without_repeating_them(url: str, says: str) -> None:
    with pytest.raises(PerijoveError, match=says) as caught:
        sqlite_file(url)
    assert caught.value.code is Code.INVALID
    assert "hunter2" not in caught.value.message
