from __future__ import annotations

from pathlib import Path

import pytest

from perijove.hub.adapters.store.location import Postgresql, Sqlite, location_of
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
    assert location_of(url) == Sqlite(path)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "empty"),
        ("postgresql://hub:hunter2@db:port/hub", "cannot be read"),
        ("mysql://hub:hunter2@db/hub", "write postgresql://"),
        ("mariadb+pymysql://hub:hunter2@db/hub", "write postgresql://"),
        ("oracle://hub:hunter2@db/hub", "not supported"),
        ("sqlite://hub.sqlite", "three slashes"),
        ("sqlite:///hub.sqlite?password=hunter2", "options after"),
    ],
)
def test_other_urls_are_refused_without_repeating_them(url: str, says: str) -> None:
    with pytest.raises(PerijoveError, match=says) as caught:
        location_of(url)
    assert caught.value.code is Code.INVALID
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+asyncpg"])
def test_postgresql_is_reached_with_our_driver_whatever_is_named(scheme: str) -> None:
    location = location_of(f"{scheme}://hub:hunt%402@db:5433/hub?sslmode=require")
    assert isinstance(location, Postgresql)
    url = location.url
    assert (url.drivername, url.username, url.password) == ("postgresql+psycopg", "hub", "hunt@2")
    assert (url.host, url.port, url.database, dict(url.query)) == ("db", 5433, "hub", {"sslmode": "require"})
    assert "hunt" not in f"{location} {location!r}"
